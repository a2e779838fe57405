//go:build linux

package bench

import (
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// awaitParked returns when every thread of the process has been found asleep at three looks in a
// row.
func awaitParked(tb testing.TB, pid int) {
	tb.Helper()
	deadline := time.Now().Add(time.Minute)
	for looks := 0; looks < 3; {
		if time.Now().After(deadline) {
			tb.Fatalf("process %d does not go to sleep", pid)
		}
		looks++
		if !asleep(tb, pid) {
			looks = 0
		}
		time.Sleep(time.Millisecond)
	}
}

func asleep(tb testing.TB, pid int) bool {
	tb.Helper()
	threads, err := procfs.AllThreads(pid)
	if err != nil || len(threads) == 0 {
		tb.Fatalf("find the threads of process %d: %v", pid, err)
	}
	for _, thread := range threads {
		stat, err := thread.Stat()
		if err != nil {
			continue // the thread has ended
		}
		if stat.State != "S" {
			return false
		}
	}
	return true
}
