//go:build linux

package pipe

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// warmUp is after how many trips both processes are known to the kernel, and the bells fenced.
const warmUp = 100

// converse makes n trips of 64 bytes to and fro, after some to warm up, and returns the system
// calls of this process. One of the two ends begins.
func converse(c *Conn, n int, begins bool) futex.Calls {
	b := make([]byte, 64)
	var before futex.Calls
	for i := range n + warmUp {
		if i == warmUp {
			before = futex.Counted()
		}
		if begins {
			_, err := c.Write(b)
			proctest.ExitOn(err)
		}
		_, err := io.ReadFull(c, b)
		proctest.ExitOn(err)
		if !begins {
			_, err := c.Write(b)
			proctest.ExitOn(err)
		}
	}
	return futex.Counted().Since(before)
}

// roleConverses answers args[1] trips in the segment args[0], and says how many calls that took.
var roleConverses = proctest.Register("pipe-converses", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	var n int
	fmt.Sscan(args[1], &n)
	c, err := Open(seg, "p", Options{Wait: shmsync.Park})
	proctest.ExitOn(err)
	calls := converse(c, n, false)
	proctest.Say("%d %d %d", calls.Waits, calls.Wakes, calls.Membarriers)
	proctest.Hear()
})

// A trip there and back of two processes that sleep for each other costs at most a wait and a wake
// for each message, and next to no membarriers.
func TestCallsOfAConversation(t *testing.T) {
	if !futex.Register() || !futex.HasWaitAny() {
		t.Skip("without membarrier and futex_waitv sleepers look again every few milliseconds")
	}
	const trips = 2000
	path := filepath.Join(proctest.Dir(t), "segment")
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	c, err := New(seg, "p", Options{Wait: shmsync.Park})
	wantErr(t, err, nil)
	child := proctest.Start(t, roleConverses, path, fmt.Sprint(trips))
	calls := converse(c, trips, true)
	var other futex.Calls
	fmt.Sscan(child.Line(), &other.Waits, &other.Wakes, &other.Membarriers)
	child.Send("end")
	child.WaitOK()
	each := func(a, b uint64) float64 { return float64(a+b) / trips }
	waits, wakes := each(calls.Waits, other.Waits), each(calls.Wakes, other.Wakes)
	barriers := each(calls.Membarriers, other.Membarriers)
	t.Logf("a trip takes %.3f waits, %.3f wakes, %.4f membarriers", waits, wakes, barriers)
	if most := 2 + 10.0/trips; waits > most || wakes > most || barriers > 0.01 {
		t.Errorf("a trip takes %.3f waits, %.3f wakes, %.4f membarriers: at most 2, 2 and 0.01",
			waits, wakes, barriers)
	}
}
