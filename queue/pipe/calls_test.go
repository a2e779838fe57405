//go:build linux

package pipe

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// trips is over how many trips calls are counted, after warmUp in which both processes become known
// to the kernel, and the bells fenced.
const trips, warmUp = 2000, 100

// quietRounds is of how many conversations one must do with 0.01 membarriers a trip. After 64
// changes in a row that find no sleeper the next sleeper pays for a membarrier. On a busy machine a
// process that is off its processor may cause such a row.
const quietRounds = 8

// converse makes all trips of 64 bytes to and fro, and returns the system calls of those that
// count. One of the two ends begins.
func converse(c *Conn, begins bool) futex.Calls {
	b := make([]byte, 64)
	var before futex.Calls
	for i := range warmUp + trips {
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

// roleConverses is the other end of a conversation in the segment args[0], as often as it is told,
// and says how many calls that took.
var roleConverses = proctest.Register("pipe-converses", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	c, err := Open(seg, "p", Options{Wait: shmsync.Park})
	proctest.ExitOn(err)
	proctest.Say("ready")
	for proctest.Hear() == "talk" {
		calls := converse(c, false)
		proctest.Say("%d %d %d", calls.Waits, calls.Wakes, calls.Membarriers)
	}
})

// A trip there and back of two processes that sleep for each other costs at most a wait and a wake
// for each message, and next to no membarriers.
func TestCallsOfAConversation(t *testing.T) {
	if !futex.Register() || !futex.HasWaitAny() {
		t.Skip("without membarrier and futex_waitv sleepers look again every few milliseconds")
	}
	path := filepath.Join(proctest.Dir(t), "segment")
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	c, err := New(seg, "p", Options{Wait: shmsync.Park})
	wantErr(t, err, nil)
	child := proctest.Start(t, roleConverses, path)
	child.Expect("ready")
	each := func(a, b uint64) float64 { return float64(a+b) / trips }
	barriers := math.Inf(1)
	for round := 0; round < quietRounds && barriers > 0.01; round++ {
		child.Send("talk")
		calls := converse(c, true)
		var other futex.Calls
		fmt.Sscan(child.Line(), &other.Waits, &other.Wakes, &other.Membarriers)
		waits, wakes := each(calls.Waits, other.Waits), each(calls.Wakes, other.Wakes)
		barriers = each(calls.Membarriers, other.Membarriers)
		t.Logf("a trip takes %.3f waits, %.3f wakes, %.4f membarriers", waits, wakes, barriers)
		if most := 2 + 10.0/trips; waits > most || wakes > most {
			t.Error("at most 2 waits and 2 wakes")
		}
	}
	if child.Send("end"); barriers > 0.01 {
		t.Error("at most 0.01 membarriers, in one of the conversations")
	}
	child.WaitOK()
}
