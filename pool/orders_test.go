package pool_test

import (
	"context"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// clearEnv has a process clear its environment before it gets to Main.
const clearEnv = "SHMKIT_TEST_CLEARENV"

func init() {
	if os.Getenv(clearEnv) != "" {
		os.Clearenv()
	}
}

// nestBare says how deep its process is, and has one below it do the same, as often as it is told.
var nestBare *pool.Task[int64, string]

func init() {
	nestBare = pool.Define("nest bare", func(ctx context.Context, below int64) (string, error) {
		text := fmt.Sprintf("%s %d", process.Current().Name, process.Current().Depth)
		if below == 0 {
			return text, nil
		}
		p, err := pool.New(ctx, pool.Options{Workers: 1, Env: []string{clearEnv + "=1"}})
		if err != nil {
			return "", err
		}
		defer p.Close()
		rest, err := pool.Apply(ctx, p, nestBare, below-1)
		return text + ", " + rest, err
	})
}

// A program that clears its environment in an init function is a worker or process all the same,
// and nests no deeper for it.
func TestClearedEnvironment(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Env: []string{clearEnv + "=1"}})
	got, err := pool.Apply(t.Context(), p, nestBare, 2)
	if want := "Worker-1 1, Worker-1 2, Worker-1 3"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := pool.Apply(t.Context(), p, nestBare, pool.MaxDepth); err == nil || !strings.Contains(err.Error(), pool.ErrTooDeep.Error()) {
		t.Errorf("without end: %v", err)
	}
	one := startProcess(t, await, "", process.Options{Env: []string{clearEnv + "=1"}})
	if code := join(t, one); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// succeed is one generation of a service: it writes its number, starts its successor, and ends.
var succeed *pool.Task[int64, int64]

// generations is how many there are of it.
const generations = 2*pool.MaxDepth + 1

func init() {
	succeed = pool.Define("succeed", func(_ context.Context, n int64) (int64, error) {
		out := process.Current().Files[0]
		fmt.Fprintln(out, n)
		if n == generations {
			return 0, nil
		}
		_, err := process.Start(context.Background(), succeed, n+1, process.Options{Files: []*os.File{out}})
		if err != nil {
			fmt.Fprintln(out, err)
		}
		os.Exit(0) // the successor goes on alone
		return 0, nil
	})
}

// A service that replaces itself again and again is not nested: its ancestors have ended.
func TestGenerationsAreNotNested(t *testing.T) {
	c, w := newChronicle(t)
	p := startProcess(t, succeed, 1, process.Options{Files: []*os.File{w}})
	w.Close()
	join(t, p)
	lines := c.expectEnd()
	if len(lines) != generations || lines[len(lines)-1] != fmt.Sprint(generations) {
		t.Errorf("%q", lines)
	}
}

var usesPool = proctest.Register("uses pool", func([]string) {
	p, err := pool.New(context.Background(), pool.Options{Workers: 1, Stderr: io.Discard})
	if err != nil {
		proctest.Say("%v", err)
		return
	}
	n, err := pool.Apply(context.Background(), p, square, 3)
	proctest.Say("%d, %v", n, err)
	p.Close()
})

// A program that its loader has started, as in "ld-linux.so PROGRAM", has workers that are started
// so, too.
func TestStartedByLoader(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	loader := interpreterOf(t, program)
	for _, options := range [][]string{nil, {"--argv0", "another name"}} {
		c := proctest.Command(t, usesPool)
		c.Cmd.Path = loader
		c.Cmd.Args = append(append([]string{loader}, options...), program, "an argument")
		c.Cmd.Dir = "/"
		c.Start()
		c.Expect("9, <nil>")
		c.WaitOK()
	}
}

// interpreterOf is the loader that a program names.
func interpreterOf(t *testing.T, program string) string {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, err := io.ReadAll(p.Open())
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimRight(string(b), "\x00")
		}
	}
	t.Skip("a program without cgo has no loader")
	return ""
}
