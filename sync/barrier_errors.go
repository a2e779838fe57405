package shmsync

import (
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/lock/barrier"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A BrokenError is an [ErrBroken] that says why, as far as that is known.
type BrokenError struct {
	Barrier string      // name of the barrier, and its segment
	Cause   BrokenCause // why the barrier broke
	// of the process that died or broke the barrier, in its own PID namespace; 0: not known
	PID      int
	Program  string    // the name of its program, or the first 23 bytes of it
	Attached time.Time // when it opened the segment
}

// Error names the barrier, the cause, and what to do.
func (e *BrokenError) Error() string {
	who := proctab.Info{PID: e.PID, Program: e.Program}.String()
	return fmt.Sprintf("%s: %v: %s: call Reset when all parties are there again",
		e.Barrier, ErrBroken, barrier.Cause(e.Cause).Describe(who))
}

// Unwrap makes [errors.Is] find [ErrBroken].
func (e *BrokenError) Unwrap() error { return ErrBroken }

// A BrokenCause says why a [Barrier] is broken.
type BrokenCause int

const (
	// BrokenUnknown says that the cause is not known any more.
	BrokenUnknown = BrokenCause(barrier.Unknown)
	// BrokenByDeath says that a party was killed, ended, or closed the segment.
	BrokenByDeath = BrokenCause(barrier.ByDeath)
	// BrokenByAbort says that a process called [Barrier.Abort].
	BrokenByAbort = BrokenCause(barrier.ByAbort)
	// BrokenByGivingUp says that the context of a waiter ended.
	BrokenByGivingUp = BrokenCause(barrier.ByGivingUp)
	// BrokenByAction says that the action failed or panicked.
	BrokenByAction = BrokenCause(barrier.ByAction)
	// BrokenByReset says that a process called [Barrier.Reset] while others waited.
	BrokenByReset = BrokenCause(barrier.ByReset)
)

var brokenCauses = map[BrokenCause]string{
	BrokenByDeath:    "death of a party",
	BrokenByAbort:    "Abort",
	BrokenByGivingUp: "a waiter gave up",
	BrokenByAction:   "the action failed",
	BrokenByReset:    "Reset",
}

// String names the cause in a few words.
func (c BrokenCause) String() string {
	if name, ok := brokenCauses[c]; ok {
		return name
	}
	return "unknown cause"
}
