package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// A family is what a process of these tests does: it writes to its file that it began, does that,
// and writes that it ends. A reader sees the end of the file when no process has it open any more.
type family struct {
	// "": return at once; "context", "parent": wait for its end; "ignore": take no notice of
	// anything
	Wait  string
	Sleep bool // start a program that holds the file, too
	Kids  []kid
}

type kid struct {
	Name   string
	Daemon bool
	Family family
}

var live *pool.Task[family, string]

// init defines a task that starts itself.
func init() { live = pool.Define("live", liveAs) }

func liveAs(ctx context.Context, k family) (string, error) {
	me := process.Current()
	out := me.Files[0]
	if k.Sleep {
		cmd := exec.Command("sleep", "1000")
		cmd.ExtraFiles = []*os.File{out}
		if err := cmd.Start(); err != nil {
			return "", err
		}
	}
	if err := startKids(k.Kids, out); err != nil {
		return "", err
	}
	fmt.Fprintf(out, "%s began\n", me.Name)
	switch k.Wait {
	case "context":
		<-ctx.Done()
	case "parent":
		<-process.Parent().Sentinel()
		fmt.Fprintf(out, "%s noticed, alive: %v\n", me.Name, process.Parent().Alive())
		proctest.Stagger(40 * time.Millisecond)
		if ctx.Err() != nil && !me.Daemon {
			return "", errors.New("the context has ended")
		}
	case "ignore":
		proctest.Forever()
	}
	fmt.Fprintf(out, "%s ends\n", me.Name)
	return "", ctx.Err()
}

func startKids(kids []kid, out *os.File) error {
	for _, k := range kids {
		_, err := process.Start(context.Background(), live, k.Family, process.Options{
			Name: k.Name, Daemon: k.Daemon, Files: []*os.File{out}, Env: []string{quickExit},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A chronicle is what the processes write.
type chronicle struct {
	t     *testing.T
	r     *os.File
	lines *bufio.Reader
}

func newChronicle(t *testing.T) (c *chronicle, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &chronicle{t, r, bufio.NewReader(r)}, w
}

// expect reads lines that come in any order.
func (c *chronicle) expect(want ...string) {
	c.t.Helper()
	left := map[string]bool{}
	for _, line := range want {
		left[line] = true
	}
	c.r.SetReadDeadline(time.Now().Add(proctest.Hang))
	for len(left) > 0 {
		line, err := c.lines.ReadString('\n')
		if line = strings.TrimSpace(line); !left[line] {
			c.t.Fatalf("read %q, %v; want %v", line, err, left)
		}
		delete(left, line)
	}
}

// expectEnd waits until no process has the file open, and returns the lines up to there.
func (c *chronicle) expectEnd() (lines []string) {
	c.t.Helper()
	c.r.SetReadDeadline(time.Now().Add(proctest.Hang))
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			if os.IsTimeout(err) {
				c.t.Fatalf("somebody lives on; read %q", lines)
			}
			return lines
		}
		lines = append(lines, strings.TrimSpace(line))
	}
}

func (c *chronicle) expectSilence() {
	c.t.Helper()
	//clock: at least so long nothing comes
	c.r.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if line, err := c.lines.ReadString('\n'); !os.IsTimeout(err) {
		c.t.Fatalf("read %q, %v", line, err)
	}
}

// patriarch starts the processes that its arguments describe, and does not end by itself.
var patriarch = proctest.Register("patriarch", func(args []string) {
	out := os.NewFile(3, "chronicle")
	var kids []kid
	for _, arg := range args {
		name, wait, _ := strings.Cut(arg, ":")
		wait, sleep := strings.CutSuffix(wait, "+sleep")
		kids = append(kids, kid{Name: name, Daemon: strings.HasPrefix(name, "daemon"), Family: family{Wait: wait, Sleep: sleep}})
	}
	if err := startKids(kids, out); err != nil {
		panic(err)
	}
	if err := exec.Command("true").Run(); err != nil {
		panic(err)
	}
	switch proctest.Hear() {
	case "shut down":
		if err := process.Shutdown(context.Background()); err != nil {
			panic(err)
		}
		fmt.Fprintln(out, "main ends")
	case "return":
	}
})

func startPatriarch(t *testing.T, w *os.File, args ...string) *proctest.Child {
	t.Helper()
	c := proctest.Command(t, patriarch, args...)
	c.Cmd.ExtraFiles = []*os.File{w}
	c.Start()
	w.Close()
	return c
}

// A47: a parent is killed. A daemon ends with what it has started, whether it listens or not; a
// non-daemon notices, and goes on.
func TestProcessOutlivesParentUnlessDaemon(t *testing.T) {
	for _, how := range []string{"kill", "return"} {
		t.Run(how, func(t *testing.T) {
			c, w := newChronicle(t)
			p := startPatriarch(t, w, "daemon:context+sleep", "deaf:parent")
			c.expect("daemon began", "deaf began")
			c.expectSilence()
			end(p, how)
			c.expect("daemon ends", "deaf noticed, alive: false", "deaf ends")
			c.expectEnd()
		})
	}
}

// end ends a patriarch.
func end(p *proctest.Child, how string) {
	if how == "kill" {
		p.Kill()
		return
	}
	p.Send(how)
	p.WaitOK()
}

// A daemon that takes no notice is gone in the end, with the program that it has started.
func TestDeafDaemonDiesWithParent(t *testing.T) {
	c, w := newChronicle(t)
	p := startPatriarch(t, w, "daemon:ignore+sleep")
	c.expect("daemon began")
	killed := time.Now()
	p.Kill()
	if lines := c.expectEnd(); len(lines) > 0 {
		t.Errorf("read %q", lines)
	}
	if took := time.Since(killed); took < 400*time.Millisecond { //clock: at least so long
		t.Errorf("it had no grace, only %v", took)
	} else {
		t.Logf("gone after %v", took)
	}
}

// A daemon does not stay when its parent is killed before it has begun.
func TestDaemonBeginsWithoutParent(t *testing.T) {
	c, w := newChronicle(t)
	p := proctest.Command(t, patriarch, "daemon:context+sleep")
	p.Cmd.ExtraFiles = []*os.File{w}
	p.Cmd.Env = append(p.Cmd.Env, initEnv+"=500ms") // of the daemon, too
	p.Start()
	w.Close()
	children := fmt.Sprintf("/proc/%d/task", p.PID())
	proctest.Eventually(t, proctest.Hang, func() bool { return hasChildren(children) }, "there is no daemon")
	proctest.Stagger(100 * time.Millisecond) // it has its argument by now, mostly, but not begun
	p.Kill()
	for _, line := range c.expectEnd() {
		if line != "daemon began" && line != "daemon ends" {
			t.Errorf("read %q", line)
		}
	}
}

// hasChildren says whether one of the threads that a directory of /proc lists has started a
// process.
func hasChildren(threads string) bool {
	entries, _ := os.ReadDir(threads)
	for _, e := range entries {
		if b, err := os.ReadFile(threads + "/" + e.Name() + "/children"); err == nil && len(b) > 0 {
			return true
		}
	}
	return false
}

// Shutdown ends daemons, also those that do not listen, and then waits for the others.
func TestShutdown(t *testing.T) {
	c, w := newChronicle(t)
	p := startPatriarch(t, w, "daemon1:context", "daemon2:ignore+sleep", "other:")
	c.expect("daemon1 began", "daemon2 began", "other began", "other ends")
	p.Send("shut down")
	c.expect("daemon1 ends")
	c.expect("main ends")
	p.WaitOK()
	c.expectEnd()
}

func TestShutdownWaits(t *testing.T) {
	slow := startProcess(t, await, "context", process.Options{})
	daemon := startProcess(t, await, "context", process.Options{Daemon: true})
	//clock: that the time-out ends it is the subject
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := process.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("did not wait: %v", err)
	}
	if daemon.Alive() || !slow.Alive() {
		t.Errorf("daemon alive: %v, other alive: %v", daemon.Alive(), slow.Alive())
	}
	ended := make(chan error)
	go func() { ended <- process.Shutdown(context.Background()) }()
	slow.Terminate(-1)
	if err := <-ended; err != nil || slow.Alive() {
		t.Errorf("%v, alive: %v", err, slow.Alive())
	}
	if err := process.Shutdown(t.Context()); err != nil {
		t.Errorf("with nobody left: %v", err)
	}
}

// After its task has returned a process ends its daemons and waits for its other children.
func TestProcessShutsDown(t *testing.T) {
	c, w := newChronicle(t)
	p := startProcess(t, live, family{Kids: []kid{
		{"daemon", true, family{Wait: "context"}}, {"other", false, family{Wait: "parent"}},
	}}, process.Options{Name: "parent", Files: []*os.File{w}})
	w.Close()
	c.expect("daemon began", "other began", "parent began", "parent ends", "daemon ends")
	c.expectSilence()
	if !p.Alive() {
		t.Error("it has not waited for its child")
	}
	// Once it is asked to end, it does not wait for others.
	p.Terminate(-1)
	if code := join(t, p); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.expect("other noticed, alive: false", "other ends")
	c.expectEnd()
}
