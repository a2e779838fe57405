// Package asleep lets a test wait until others sleep, instead of sleeping itself for as long as that mostly takes.
package asleep

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Await waits until n or more waits of all processes sleep in the segment, or are on their last steps to that: an event that comes
// from now on has to wake them. The goroutines of a process that wait for the same object count as one.
func Await(t testing.TB, seg *shm.Segment, n int) {
	t.Helper()
	await(t, seg, n, "", func(shmsync.BlockedWait) bool { return true })
}

// AwaitFor is [Await] for the waits for one object.
func AwaitFor(t testing.TB, seg *shm.Segment, object string, n int) {
	t.Helper()
	await(t, seg, n, " for "+object, func(w shmsync.BlockedWait) bool { return w.Object == object })
}

// AwaitOf is [Await] for the waits of one process.
func AwaitOf(t testing.TB, seg *shm.Segment, pid, n int) {
	t.Helper()
	await(t, seg, n, fmt.Sprintf(" in process %d", pid), func(w shmsync.BlockedWait) bool { return w.Process.PID == pid })
}

func await(t testing.TB, seg *shm.Segment, n int, which string, counts func(shmsync.BlockedWait) bool) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		report, err := shmsync.Blocked(seg)
		if err != nil {
			t.Fatal(err)
		}
		asleep := 0
		for _, w := range report.Waits {
			if counts(w) {
				asleep++
			}
		}
		if which == "" {
			asleep += report.Unlisted
		}
		return asleep >= n
	}, fmt.Sprintf("%d waits%s sleep", n, which))
}
