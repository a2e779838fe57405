package lock

import (
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
)

// ErrBroken says that a barrier is broken, or was while the caller waited.
var ErrBroken = errors.New("the barrier is broken")

// A BrokenError is an [ErrBroken] that says why, as far as that is known.
type BrokenError struct {
	Cause    BrokenCause
	PID      int       // of the process that died or broke the barrier, in its own PID namespace; 0: not known
	Program  string    // the name of its program, or the first 23 bytes of it
	Attached time.Time // when it opened the segment
}

func (e *BrokenError) Error() string {
	who := proctab.Info{PID: e.PID, Program: e.Program}.String()
	return fmt.Sprintf("%v: %s", ErrBroken, e.Cause.Describe(who))
}

// Unwrap makes [errors.Is] find [ErrBroken].
func (e *BrokenError) Unwrap() error { return ErrBroken }

// Describe says what the process who has done.
func (c BrokenCause) Describe(who string) string {
	switch c {
	case BrokenByDeath:
		return who + ", a party, died"
	case BrokenByAbort:
		return who + " aborted it"
	case BrokenByGivingUp:
		return who + " gave up waiting"
	case BrokenByAction:
		return "the action of " + who + " failed"
	case BrokenByReset:
		return who + " reset it"
	}
	return "it is not known why"
}
