//go:build linux

package mapping

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

const roleLocks = "locks" // a constant: the role starts itself

var _ = proctest.Register(roleLocks, locks)

// locks does what it hears with byte 5 of the file args[0], or of descriptor 3, and says what came
// of it.
func locks(args []string) {
	f := os.NewFile(3, "inherited")
	if args[0] != "" {
		var err error
		if f, err = OpenExisting(args[0]); err != nil {
			panic(err)
		}
	}
	proctest.Say("here")
	for {
		switch command := proctest.Hear(); command {
		case "try":
			ok, err := TryLockByte(f, 5)
			proctest.Say("%t %v", ok, err)
		case "lock":
			proctest.Say("locking")
			err := LockByte(f, 5)
			proctest.Say("locked %v", err)
		case "unlock":
			proctest.Say("%v", UnlockByte(f, 5))
		case "look":
			ok, err := ByteLocked(f, 5)
			proctest.Say("%t %v", ok, err)
		case "reopen":
			again, err := Reopen(f)
			if err != nil {
				panic(err)
			}
			f = again
			proctest.Say("reopened")
		case "exec":
			self := proctest.Exec(roleLocks, args...)
			panic(syscall.Exec(self.Path, append([]string{self.Path}, args...), self.Env))
		case "run":
			proctest.Say("%v", exec.Command("/bin/true").Run())
		case "exit":
			os.Exit(0)
		}
	}
}

// startLocks starts a process that has the file open.
func startLocks(t *testing.T, f *os.File) *proctest.Child {
	t.Helper()
	child := proctest.Start(t, roleLocks, f.Name())
	child.Expect("here")
	return child
}

// says sends a command and expects the answer.
func says(child *proctest.Child, command, want string) {
	child.Send(command)
	child.Expect(want)
}

// lockedByOthers fails the test unless byte 5 is, or is not, locked by others than f.
func lockedByOthers(t *testing.T, f *os.File, want bool, when string) {
	t.Helper()
	if got, err := ByteLocked(f, 5); got != want || err != nil {
		t.Errorf("%s: locked %t, %v", when, got, err)
	}
}

func TestByteLocksExcludeProcesses(t *testing.T) {
	f := newFile(t, 0) // the bytes need not exist
	a, b := startLocks(t, f), startLocks(t, f)
	says(a, "try", "true <nil>")
	says(a, "try", "true <nil>")
	says(b, "try", "false <nil>")
	says(b, "look", "true <nil>")
	says(a, "look", "false <nil>") // its own
	lockedByOthers(t, f, true, "held")
	for _, off := range []int64{4, 6} {
		if ok, err := TryLockByte(f, off); !ok || err != nil {
			t.Errorf("byte %d: %t, %v", off, ok, err)
		}
	}
	says(a, "run", "<nil>") // a child that ends takes nothing with it
	lockedByOthers(t, f, true, "after the end of a child")
	says(a, "unlock", "<nil>")
	lockedByOthers(t, f, false, "unlocked")
	says(b, "try", "true <nil>")
	b.Kill()
	lockedByOthers(t, f, false, "killed")
	says(a, "try", "true <nil>")
	a.Send("exit")
	a.Wait()
	lockedByOthers(t, f, false, "exited")
}

func TestByteLockEndsWithExec(t *testing.T) {
	f := newFile(t, 0)
	a := startLocks(t, f)
	says(a, "try", "true <nil>")
	says(a, "exec", "here")
	says(a, "look", "false <nil>")
	lockedByOthers(t, f, false, "after exec")
	a.Kill()
}

func TestLockByteWaits(t *testing.T) {
	f := newFile(t, 0)
	for _, end := range []string{"unlock", "kill"} {
		a, b := startLocks(t, f), startLocks(t, f)
		says(a, "try", "true <nil>")
		says(b, "lock", "locking")
		mine := proctest.MustBlock(t, func() {
			if err := LockByte(f, 5); err != nil {
				t.Error(err)
			}
			if err := UnlockByte(f, 5); err != nil {
				t.Error(err)
			}
		})
		if end == "kill" {
			a.Kill()
		} else {
			says(a, "unlock", "<nil>")
		}
		b.Expect("locked <nil>")
		says(b, "unlock", "<nil>")
		<-mine
		if end != "kill" {
			a.Kill()
		}
		b.Kill()
	}
}

// Two descriptors of one process exclude each other if they were opened apart.
func TestByteLocksOfOneProcess(t *testing.T) {
	f := newFile(t, 0)
	again, err := Reopen(f)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := TryLockByte(f, 5); !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	if ok, err := TryLockByte(again, 5); ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	lockedByOthers(t, f, false, "by its own")
	lockedByOthers(t, again, true, "by the other")
	f.Close()
	lockedByOthers(t, again, false, "after Close")
	again.Close()
	for _, err := range []error{
		LockByte(again, 5), UnlockByte(again, 5),
		func() error { _, err := TryLockByte(again, 5); return err }(),
		func() error { _, err := ByteLocked(again, 5); return err }(),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}

// An inherited descriptor shares its lock with the parent's. One that was opened anew does not.
func TestInheritedDescriptorSharesTheLock(t *testing.T) {
	f := newFile(t, 0)
	if ok, err := TryLockByte(f, 5); !ok || err != nil {
		t.Fatalf("%t, %v", ok, err)
	}
	child := proctest.Command(t, roleLocks, "")
	child.Cmd.ExtraFiles = []*os.File{f}
	child.Start()
	child.Expect("here")
	says(child, "look", "false <nil>")
	says(child, "try", "true <nil>") // of what is locked already
	watch, err := Reopen(f)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	f.Close()
	lockedByOthers(t, watch, true, "after the parent has closed it")
	says(child, "reopen", "reopened")
	says(child, "look", "true <nil>")
	says(child, "try", "false <nil>")
	child.Kill()
	lockedByOthers(t, watch, false, "after the child's end")
}

// Descriptors are closed while they are in use: no call may reach a file that has got the number
// meanwhile.
func TestCloseDuringUse(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		f, err := Anonymous("used", 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 4)
		for i, use := range []func() error{
			func() error { _, err := Stat(f); return err },
			func() error { return Reserve(f, 0, 1<<16) },
			func() error { _, err := ByteLocked(f, 5); return err },
			func() error { g, err := Reopen(f); g.Close(); return err },
		} {
			go func() {
				for {
					if err := use(); err != nil {
						if !errors.Is(err, fs.ErrClosed) {
							t.Errorf("use %s: %v", strconv.Itoa(i), err)
						}
						done <- err
						return
					}
				}
			}()
		}
		f.Close()
		for range 4 {
			<-done
		}
	}
}
