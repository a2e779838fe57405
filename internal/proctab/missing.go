package proctab

import (
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/notice"
)

// What each facility costs that the kernel refuses.
const (
	withoutMembarrier = "each unlock and put takes a locked instruction more, and some sleeps and the end of the dead half a millisecond"
	withoutWaitv      = "waiters look at the lives of others, and at the end of their contexts, every 16 ms"
	withoutRobust     = "each attachment holds a lock on the segment's file, and deaths are looked for every 5 ms"
)

// tellMissing logs what the kernel refuses. It must not be called within the keeper's start,
// because the handler may attach to a segment.
func tellMissing() {
	if !futex.HasMembarrier() {
		notice.Missing("membarrier", withoutMembarrier)
	}
	if !futex.HasWaitAny() {
		notice.Missing("futex_waitv", withoutWaitv)
	}
	if !theKeeper().robust {
		notice.Missing("robust lists", withoutRobust)
	}
}
