package ring

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/futex"
)

// Announce stores v before the loads that follow it, as seen from a process that issues a
// [Barrier]: either that process sees v after the barrier, or the loads see what the process did
// before it. Announce is a plain store where the barriers of other processes reach this one.
func Announce(a *atomic.Uint64, v uint64) {
	if futex.Registered() {
		StoreRelease(a, v)
	} else {
		a.Store(v)
	}
}

// Barrier makes what all other processes have announced before it visible to what this process
// reads after it.
func Barrier() { futex.MembarrierOrPause() }
