//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// awaitParked returns when every thread of the process has been found asleep at three looks in a row.
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
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		tb.Fatalf("find the threads of process %d: %v", pid, err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		// pid (name) state …, and the name may hold anything but ends with the last parenthesis.
		end := bytes.LastIndexByte(stat, ')')
		if end < 0 || end+2 >= len(stat) || stat[end+2] != 'S' {
			return false
		}
	}
	return true
}
