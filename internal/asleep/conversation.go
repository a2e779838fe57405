package asleep

import (
	"fmt"
	"math"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
)

const (
	// trips is over how many trips there and back calls are counted, after warmUp in which both
	// processes become known to the kernel, and the bells fenced.
	trips, warmUp = 2000, 100

	// quietRounds is of how many conversations one must do with 0.01 membarriers a trip. After 64
	// changes in a row that find no sleeper the next sleeper pays for a membarrier. On a busy
	// machine a process that is off its processor may cause such a row.
	quietRounds = 8
)

// counted makes all trips, and returns the calls of those that count.
func counted(trip func()) futex.Calls {
	for range warmUp {
		trip()
	}
	before := futex.Counted()
	for range trips {
		trip()
	}
	return futex.Counted().Since(before)
}

// Answer is the side of a child in [Converse]. It makes its trips as often as it is told.
func Answer(trip func()) {
	proctest.Say("ready")
	for proctest.Hear() == "talk" {
		c := counted(trip)
		proctest.Say("%d %d %d", c.Waits, c.Wakes, c.Membarriers)
	}
}

// Converse makes trips there and back with a child that calls [Answer]. It fails the test when a
// trip of two processes that sleep for each other costs more than a wait and a wake for each
// message, or in each of several rounds more than next to no membarriers. The child ends.
func Converse(t *testing.T, child *proctest.Child, trip func()) {
	t.Helper()
	child.Expect("ready")
	each := func(a, b uint64) float64 { return float64(a+b) / trips }
	barriers := math.Inf(1)
	for round := 0; round < quietRounds && barriers > 0.01; round++ {
		child.Send("talk")
		calls := counted(trip)
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
