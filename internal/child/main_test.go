package child

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m, proctest.Leaks()) }

// in adds what makes the child run a role of proctest.
func in(role string, spec Spec, args ...string) Spec {
	spec.Args = append([]string{os.Args[0]}, args...)
	spec.Env = append(spec.Env, "SHMKIT_TEST_ROLE="+role, "GORACE=atexit_sleep_ms=0")
	return spec
}

// start starts a child that is ended with the test.
func start(t *testing.T, spec Spec) *Process {
	t.Helper()
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); wait(t, p) })
	return p
}

func wait(t *testing.T, p *Process) Exit {
	t.Helper()
	select {
	case <-p.Done():
		return p.Wait()
	case <-time.After(proctest.Hang):
		t.Fatal("the process does not end")
		return Exit{}
	}
}

// A talk is the output of a child, by lines, and its input.
type talk struct {
	t     *testing.T
	lines *bufio.Reader
	out   *os.File
	in    *os.File // closed with the test, at which Hear ends the child
}

// converse starts a child that can say and hear.
func converse(t *testing.T, spec Spec) (*Process, *talk) {
	t.Helper()
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outR.Close(); inW.Close() })
	spec.Stdin, spec.Stdout = inR, outW
	p := start(t, spec)
	outW.Close()
	inR.Close()
	return p, &talk{t, bufio.NewReader(outR), outR, inW}
}

func (c *talk) line() string {
	c.t.Helper()
	c.out.SetReadDeadline(time.Now().Add(proctest.Hang))
	line, err := c.lines.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *talk) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}
