package shmsync

import (
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
)

// ErrDeadlock says that to wait for a lock would have closed a cycle of processes, each of which
// waits for a lock that the next one holds. The lock is not held. It comes as a [*DeadlockError],
// and only with an option such as [MutexOptions.DetectDeadlock].
var ErrDeadlock = errors.New("deadlock")

// A DeadlockError is an [ErrDeadlock] that says which process waits for which.
type DeadlockError struct {
	// Cycle begins with the wait that was refused. Each is for a lock that the process of the next
	// one holds, the last one for a lock that this process holds.
	Cycle []BlockedWait
}

// Error names the processes and locks of the cycle, and says what to do.
func (e *DeadlockError) Error() string {
	return fmt.Sprintf("%v: %s: unlock what this process holds and try again, or lock in the same order everywhere", ErrDeadlock, circle(e.Cycle))
}

// Unwrap makes [errors.Is] find [ErrDeadlock].
func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

// detector makes the error for locks of the segment, if that is wanted.
func detector(s *segment.Segment, wanted bool) func([]lock.Wait) error {
	if !wanted {
		return nil
	}
	return func(cycle []lock.Wait) error {
		cycle[0].Since = time.Now()
		e := &DeadlockError{}
		for _, p := range cycle {
			w, _ := linkOf(s, p) // what has gone meanwhile has no name
			e.Cycle = append(e.Cycle, w.BlockedWait)
		}
		return e
	}
}
