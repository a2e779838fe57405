//go:build linux

package proctab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

const roleMember = "member" // a constant: the role starts itself

var (
	_          = proctest.Register(roleMember, member)
	roleWaiter = proctest.Register("waiter", waiter)
	roleParent = proctest.Register("parent", parent)
)

// member attaches to the table in args[0], says its id, and then does what it hears.
func member(args []string) {
	f := open(args[0])
	m, crashed, err := f.Attach()
	if err != nil {
		proctest.Say("error %v", err)
		return
	}
	proctest.Say("attached %d %t %d", m.ID(), crashed, theKeeper().tid)
	for {
		command := proctest.Hear()
		f.stamp.Store(now())
		switch command {
		case "return":
			return
		case "detach":
			m.Detach()
			proctest.Say("detached")
		case "exec nothing":
			proctest.Say("%v", syscall.Exec("/nonexistent", nil, nil))
		case "run":
			proctest.Say("%v", exec.Command("/bin/true").Run())
		case "exec member":
			self := proctest.Exec(roleMember, args...)
			panic(syscall.Exec(self.Path, append([]string{self.Path}, args...), self.Env))
		case "inherit":
			inherit(f)
		default:
			die(command)
		}
	}
}

// inherit starts a program that keeps this process's descriptor of the table.
func inherit(f *file) {
	heir := exec.Command("/bin/sleep", "1000")
	heir.ExtraFiles = []*os.File{f.f}
	// not bound: it outlives this process, and the test kills it
	if err := heir.Start(); err != nil {
		panic(err)
	}
	proctest.Say("heir %d", heir.Process.Pid)
}

// die ends this process.
func die(how string) {
	switch how {
	case "exit":
		os.Exit(3)
	case "panic":
		panic("as asked")
	case "kill":
		unix.Kill(os.Getpid(), unix.SIGKILL)
	case "terminate":
		unix.Kill(os.Getpid(), unix.SIGTERM)
	case "segv":
		unix.Kill(os.Getpid(), unix.SIGSEGV)
	case "nil":
		var p *int
		*p = 1
	case "fault":
		page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			panic(err)
		}
		*(*byte)(unsafe.Pointer(unsafe.SliceData(page))) = 1
	case "exec":
		panic(syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, nil))
	default:
		panic("unknown way to die: " + how)
	}
	proctest.Forever() // the signal may be for another thread
}

// waiter waits for the deaths of owners of the table in args[0] as it hears them, and says when it
// saw them.
func waiter(args []string) {
	f := open(args[0])
	for {
		o := ownerFrom(proctest.Hear())
		proctest.Say("waiting %t", !f.Dead(o))
		awaitDeath(f.Table, o)
		proctest.Say("%d", now())
	}
}

// parent starts a member as its child and passes on what it says.
func parent(args []string) {
	child := proctest.Exec(roleMember, args...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := proctest.StartBound(child); err != nil {
		panic(err)
	}
	proctest.Say("child %d", child.Process.Pid)
	child.Wait()
	proctest.Say("reaped")
	proctest.Forever() // until the process is dead
}

// attached reads what a member says first.
func attached(t testing.TB, child *proctest.Child) (o Owner, crashed bool, tid uint32) {
	t.Helper()
	line := child.Line()
	if _, err := fmt.Sscanf(line, "attached %d %t %d", &o, &crashed, &tid); err != nil {
		t.Fatalf("a member said %q; stderr:\n%s", line, child.Stderr())
	}
	return o, crashed, tid
}

// startWaiter starts a process that can be told to wait for a death.
func startWaiter(t testing.TB, m mode, path string) *proctest.Child {
	t.Helper()
	child := m.start(t, roleWaiter, path)
	t.Cleanup(func() { child.Kill() })
	return child
}

// expectWaiting tells a waiter which owner to wait for.
func expectWaiting(w *proctest.Child, o Owner) {
	w.Send(strconv.Itoa(int(o)))
	w.Expect("waiting true")
}

// saw returns when a waiter saw the death.
func saw(t testing.TB, w *proctest.Child) int64 {
	t.Helper()
	line := w.Line()
	at, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatalf("a waiter said %q; stderr:\n%s", line, w.Stderr())
	}
	return at
}

func scan(line, format string, to ...any) bool {
	n, err := fmt.Sscanf(line, format, to...)
	return err == nil && n == len(to)
}
