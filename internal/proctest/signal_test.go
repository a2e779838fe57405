package proctest

import (
	"os"
	"syscall"
	"testing"
)

// Only a live child gets a signal: not the group of the tests, which is what 0 and -1 would mean,
// not a stranger, not one that has ended.
func TestSignal(t *testing.T) {
	for _, pid := range []int{0, -1, -os.Getpid(), 1, os.Getpid(), os.Getppid()} {
		if Signal(t, pid, 0) {
			t.Errorf("process %d, which is no child, got a signal", pid)
		}
	}
	child := Start(t, roleHangs)
	if !Signal(t, child.PID(), syscall.SIGKILL) {
		t.Error("a child did not get a signal")
	}
	diedOf(t, child.Wait(), syscall.SIGKILL)
	if Signal(t, child.PID(), 0) {
		t.Error("a child that has ended got a signal")
	}
}
