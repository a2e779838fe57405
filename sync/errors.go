package shmsync

import (
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/barrier"
	"github.com/shmkit/shmkit/internal/lock/semaphore"
	"github.com/shmkit/shmkit/internal/lock/waitgroup"
	"github.com/shmkit/shmkit/internal/wait"
)

var (
	// ErrOwnerDied says that the holder of a lock died, and that what the lock guards has not been
	// repaired since. The caller does not hold the lock, except after [Cond.Wait]. It comes as an
	// [*OwnerDiedError].
	ErrOwnerDied = lock.ErrOwnerDied

	// ErrLocked says that a living process holds the lock.
	ErrLocked = lock.ErrLocked

	// ErrBroken says that a [Barrier] is broken. It comes as a [*BrokenError].
	ErrBroken = barrier.ErrBroken

	// ErrOverRelease says that more units of a [Semaphore] were to be released than may be free, or
	// than the process has. None was released.
	ErrOverRelease = semaphore.ErrOverRelease

	// ErrNegative says that more of a [WaitGroup] was to be done than was added. Nothing was
	// changed.
	ErrNegative = waitgroup.ErrNegative

	// ErrTakenForDead says that the other processes have taken this one for dead, as they do when
	// it was ended by a checkpoint and is restored (CRIU), or when some process has overwritten its
	// place in the process table. It gets no lock any more: it has to close the segment, and open
	// it anew. It is [shm.ErrTakenForDead].
	ErrTakenForDead = lock.ErrTakenForDead

	// ErrClosed says that this process has closed the segment. It is an [os.ErrClosed].
	ErrClosed = lock.ErrClosed
)

// A WaitPolicy says how blocking calls wait.
type WaitPolicy int

// String is the name of the policy.
func (p WaitPolicy) String() string { return wait.Policy(p).String() }

const (
	// Adaptive, the default, spins for some microseconds and then sleeps.
	Adaptive = WaitPolicy(wait.Adaptive)
	// Park sleeps at once: the least processor time.
	Park = WaitPolicy(wait.Parking)
	// Spin never sleeps: the least latency, where each waiter has a processor of its own.
	Spin = WaitPolicy(wait.Spinning)
)
