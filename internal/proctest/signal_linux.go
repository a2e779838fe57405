package proctest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Signal sends sig to a child of this process that the test knows by its id only: a worker, from the statistics of its
// pool. It tells whether it was sent. The child may have ended, or have no id yet, which is 0: the system would take that
// for the whole group of the tests, and another number perhaps for a stranger's. Any goroutine may call it.
func Signal(t testing.TB, pid int, sig syscall.Signal) bool {
	t.Helper()
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid) // holds on to the process, so that its id cannot become another's before the signal is sent
	if err != nil {
		t.Errorf("find process %d: %v", pid, err)
		return false
	}
	defer p.Release()
	if parent, err := parentOf(pid); err != nil || parent != os.Getpid() {
		return false // ended, and perhaps another's by now
	}
	return p.Signal(sig) == nil
}

// parentOf is the parent of a process, the fourth field of its stat file. The second, its name, may have spaces and
// parentheses in it.
func parentOf(pid int) (int, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/stat has no parent: %q", pid, stat)
	}
	return strconv.Atoi(fields[1])
}
