package proctest

import (
	"os"
	"syscall"
	"testing"
)

// Signal sends sig to a child of this process that the test knows by its id only: a worker, from
// the statistics of its pool. It tells whether it was sent. It sends nothing to id 0, a child that
// has not started, which kill(2) takes for the process group of the tests, nor to an id that is no
// longer a child of this process. Any goroutine may call it.
func Signal(t testing.TB, pid int, sig syscall.Signal) bool {
	t.Helper()
	if pid <= 0 {
		return false
	}
	// holds on to the process, so that its id cannot become another's before the signal is sent
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Errorf("find process %d: %v", pid, err)
		return false
	}
	defer p.Release()
	if Stat(pid).PPID != os.Getpid() {
		return false // ended, and perhaps another's by now
	}
	return p.Signal(sig) == nil
}
