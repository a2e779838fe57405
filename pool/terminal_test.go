package pool_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"golang.org/x/sys/unix"
)

// terminalLimit is how long a test waits for what a terminal shows. A process that the terminal has
// stopped says nothing.
const terminalLimit = 2 * time.Minute

// A terminal is the outer end of a pseudo-terminal.
type terminal struct {
	t     *testing.T
	outer *os.File
	lines *bufio.Reader
}

// startInTerminal starts a role as the leader of a session in a terminal of its own, which is its
// standard input, output and error. The files are its descriptors 4, 5, ….
func startInTerminal(t *testing.T, files []*os.File, role string, args ...string) (*proctest.Child, *terminal) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	outer := os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { outer.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	defer inner.Close()
	c := proctest.Command(t, role, args...)
	c.Cmd.ExtraFiles = append([]*os.File{inner}, files...)
	c.Cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	c.Start()
	return c, &terminal{t, outer, bufio.NewReader(outer)}
}

// enterTerminal makes the terminal the standard streams of a role, and has it stop the output of
// processes in the background.
func enterTerminal() {
	for fd := range 3 {
		if err := unix.Dup3(3, fd, 0); err != nil {
			panic(err)
		}
	}
	unix.Close(3)
	mode, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		panic(err)
	}
	mode.Lflag |= unix.TOSTOP
	if err := unix.IoctlSetTermios(0, unix.TCSETS, mode); err != nil {
		panic(err)
	}
}

// expect reads until the terminal has shown all that is wanted, in any order.
func (c *terminal) expect(want ...string) {
	c.t.Helper()
	left := map[string]bool{}
	for _, line := range want {
		left[line] = true
	}
	c.outer.SetReadDeadline(time.Now().Add(terminalLimit))
	var all strings.Builder
	for len(left) > 0 {
		line, err := c.lines.ReadString('\n')
		all.WriteString(line)
		delete(left, strings.TrimSpace(line))
		if err != nil {
			c.t.Fatalf("the terminal has not shown %v: %v; it has shown:\n%s", left, err, all.String())
		}
	}
}

// show prints what its argument says, and so does a program that it starts. Another one opens the
// terminal.
var show = pool.Define("show", func(_ context.Context, what string) (string, error) {
	fmt.Println(what)
	program := exec.Command("echo", what+" program")
	program.Stdout = os.Stdout
	if err := program.Run(); err != nil {
		return "", err
	}
	// an error is right, too
	exec.Command("sh", "-c", "exec </dev/tty >/dev/tty && stty -echo && read line").Run()
	fmt.Println(what + " goes on")
	return what, nil
})

var shows = proctest.Register("shows", func([]string) {
	enterTerminal()
	p, err := pool.New(context.Background(), pool.Options{Workers: 1})
	if err != nil {
		panic(err)
	}
	if _, err := pool.Apply(context.Background(), p, show, "worker"); err != nil {
		panic(err)
	}
	p.Close()
	one, err := process.Start(context.Background(), show, "process", process.Options{})
	if err != nil {
		panic(err)
	}
	one.Join(context.Background())
})

// Workers and processes that print on a terminal which stops the output of its background, and
// programs of theirs that open the terminal, go on.
func TestTerminalStopsNoWorker(t *testing.T) {
	c, screen := startInTerminal(t, nil, shows)
	screen.expect("worker", "worker program", "worker goes on", "process", "process program", "process goes on")
	c.WaitOK()
}

// interrupted has processes in a terminal, as its arguments name them, and waits.
var interrupted = proctest.Register("interrupted", func(args []string) {
	enterTerminal()
	out := os.NewFile(4, "chronicle")
	var kids []kid
	for _, how := range args {
		k := kid{Name: how, Family: family{Wait: how, Sleep: true}}
		if how == "parent of deaf" {
			k.Family = family{Wait: "ignore", Kids: []kid{{Name: "grandchild", Family: family{Wait: "context"}}}}
		}
		kids = append(kids, k)
	}
	if err := startKids(kids, out); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	select {}
})

// A Ctrl-C ends a program with its processes that are no daemons, with those that these have
// started, and also one that takes no notice, after a grace.
func TestCtrlCEndsProcesses(t *testing.T) {
	t.Parallel()
	if !kernelTellsOfTheDead(t) {
		t.Skip("the kernel does not tell a process how its parent has ended")
	}
	chronicle, w := newChronicle(t)
	c, screen := startInTerminal(t, []*os.File{w}, interrupted, "context", "ignore", "parent of deaf")
	w.Close()
	screen.expect("ready")
	chronicle.expect("context began", "ignore began", "grandchild began", "parent of deaf began")
	if _, err := screen.outer.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if status := c.Wait().Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGINT {
		t.Errorf("the program ended with %v", status)
	}
	chronicle.expect("context ends", "grandchild ends")
	chronicle.expectEnd()
}

// kernelTellsOfTheDead reports whether a pidfd tells how its process has ended when that was waited
// for.
func kernelTellsOfTheDead(t *testing.T) bool {
	t.Helper()
	fd := -1
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &fd}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if fd < 0 {
		return false
	}
	defer unix.Close(fd)
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	return unix.IoctlPidfdInfo(fd, &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0
}

// ignoredSignals tells which signals a program ignores that the task starts.
var ignoredSignals = pool.Define("ignored signals", func(context.Context, int64) (string, error) {
	return programIgnores()
})

func programIgnores() (string, error) {
	out, err := exec.Command("grep", "SigIgn", "/proc/self/status").Output()
	return strings.TrimSpace(string(out)), err
}

var tellIgnored = pool.Define("tell ignored signals", func(context.Context, int64) (int64, error) {
	ignored, err := programIgnores()
	fmt.Fprintln(process.Current().Files[0], ignored)
	return 0, err
})

// A program that a task starts ignores no signal that a program of the parent does not ignore.
func TestProgramsInheritNoIgnoredSignal(t *testing.T) {
	want, err := programIgnores()
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, pool.Options{Workers: 1})
	if got, err := pool.Apply(t.Context(), p, ignoredSignals, 0); err != nil || got != want {
		t.Errorf("worker: %s, %v; want %s", got, err, want)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	one := startProcess(t, tellIgnored, 0, process.Options{Files: []*os.File{w}})
	w.Close()
	got, err := io.ReadAll(r)
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("process: %s, %v; want %s", got, err, want)
	}
	join(t, one)
}
