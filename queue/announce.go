package queue

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/futex"
)

// announce stores v before the loads that follow it, as seen from whoever issues a barrier: he sees v after
// it, or the loads see what he did before it. It is a plain store where the barriers of others reach this process.
func announce(a *atomic.Uint64, v uint64) {
	if futex.Registered() {
		storeRelease(a, v)
	} else {
		a.Store(v)
	}
}

// barrier makes what all other processes have announced before it visible to what this one reads after it.
func barrier() { futex.MembarrierOrPause() }
