package proctest

import (
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	quitTimeout = time.Minute // for the stacks that a hanging child prints on SIGQUIT
	// for the output of a dead child, when its own children hold its pipes open
	pipeTimeout = 2 * time.Second
)

// Child is a process that runs a role. Its methods fail the test it was made for when they cannot
// do what they say, so only the test's own goroutine may call them, except for Signal, PID and
// Stderr.
type Child struct {
	// Cmd may be changed before Start: Env, Dir, SysProcAttr, ExtraFiles. Its streams belong to the
	// Child.
	Cmd *exec.Cmd

	t      testing.TB
	role   string
	stdin  io.WriteCloser
	stdout lines
	stderr tail
	ended  chan struct{} // closed when the process was waited for and its output is complete
	waited atomic.Bool   // the test has asked for the end
}

// Start starts the test binary in the given role, with args. The child is killed, and the test
// fails, when it was not waited for at the end of the test by one of Wait, WaitOK and Kill.
func Start(t testing.TB, role string, args ...string) *Child {
	t.Helper()
	c := Command(t, role, args...)
	c.Start()
	return c
}

// Command is [Start] without the start: change c.Cmd, then call c.Start.
func Command(t testing.TB, role string, args ...string) *Child {
	t.Helper()
	if !mainRuns {
		t.Fatal("proctest: TestMain does not call proctest.Main")
	}
	if roles[role] == nil {
		t.Fatalf("proctest: unknown role %q", role)
	}
	c := &Child{Cmd: Exec(role, args...), t: t, role: role, ended: make(chan struct{})}
	c.Cmd.Stdout, c.Cmd.Stderr = &c.stdout, &c.stderr
	//clock: children of a dead child may hold its pipes open for ever, with nothing left in them
	c.Cmd.WaitDelay = pipeTimeout
	return c
}

// Start starts the process. It fails the test when that does not work.
func (c *Child) Start() {
	c.t.Helper()
	if err := c.TryStart(); err != nil {
		c.t.Fatalf("start %s: %v", c.role, err)
	}
}

// TryStart is Start which returns the error, for a process that the system may refuse to start.
func (c *Child) TryStart() error {
	stdin, err := c.Cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := StartBound(c.Cmd); err != nil {
		return err
	}
	c.stdin = stdin
	go func() {
		c.Cmd.Wait() // the error is in Cmd.ProcessState
		c.stdout.end()
		close(c.ended)
	}()
	c.t.Cleanup(c.finish)
	return nil
}

// finish runs at the end of the test.
func (c *Child) finish() {
	if c.waited.Load() {
		return
	}
	c.Cmd.Process.Kill()
	<-c.ended
	if !c.t.Failed() {
		c.t.Errorf("%s was started but not waited for: %v; stderr:\n%s", c.role, c.Cmd.ProcessState, c.Stderr())
	}
}

// Line returns the next line that the child says. It waits as long as [Hang]; then it has the child
// print its stacks and fails the test.
func (c *Child) Line() string {
	c.t.Helper()
	line, err := c.stdout.next(Hang)
	if err != nil {
		c.Signal(syscall.SIGQUIT)
		c.endsWithin(quitTimeout)
		c.t.Fatalf("line of %s: %v; stderr:\n%s", c.role, err, c.Stderr())
	}
	return line
}

// Expect fails the test unless the next line is want.
func (c *Child) Expect(want string) {
	c.t.Helper()
	if line := c.Line(); line != want {
		c.t.Fatalf("%s said %q, want %q; stderr:\n%s", c.role, line, want, c.Stderr())
	}
}

// Send passes a line to the child's [Hear].
func (c *Child) Send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.stdin, line+"\n"); err != nil {
		c.t.Fatalf("send to %s: %v; stderr:\n%s", c.role, err, c.Stderr())
	}
}

// Signal sends sig. A child that has ended already is left in peace.
func (c *Child) Signal(sig syscall.Signal) { c.Cmd.Process.Signal(sig) }

// Kill sends SIGKILL and waits for the end. The state tells whether that was what the child died
// of.
func (c *Child) Kill() *os.ProcessState {
	c.t.Helper()
	c.Cmd.Process.Kill()
	return c.Wait()
}

// Wait waits until the child ended, however it did. After 2 minutes it has the child print its
// stacks, kills it and fails the test.
func (c *Child) Wait() *os.ProcessState {
	c.t.Helper()
	c.waited.Store(true)
	if c.endsWithin(Hang) {
		return c.Cmd.ProcessState
	}
	c.Signal(syscall.SIGQUIT)
	if !c.endsWithin(quitTimeout) {
		c.Cmd.Process.Kill()
		<-c.ended
	}
	c.t.Fatalf("%s did not end in %v; stderr:\n%s", c.role, Hang, c.Stderr())
	return nil
}

// WaitOK is Wait for a child that must exit with status 0.
func (c *Child) WaitOK() {
	c.t.Helper()
	if state := c.Wait(); !state.Success() {
		c.t.Fatalf("%s: %v; stderr:\n%s", c.role, state, c.Stderr())
	}
}

// Output is WaitOK, and returns all that the child has said but what Line has returned.
func (c *Child) Output() string {
	c.t.Helper()
	c.WaitOK()
	return c.stdout.rest()
}

func (c *Child) endsWithin(d time.Duration) bool {
	expired := time.NewTimer(d)
	defer expired.Stop()
	select {
	case <-c.ended:
		return true
	case <-expired.C:
		return false
	}
}

// Ended reports whether the process has ended, of itself or not. A nil child has not.
func (c *Child) Ended() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// Stderr returns the last 256 KiB of what the child has written to its stderr so far; all of it
// after Wait.
func (c *Child) Stderr() string { return c.stderr.String() }

// PID returns the process id, as the test's PID namespace sees it.
func (c *Child) PID() int { return c.Cmd.Process.Pid }
