package shmsync

import (
	"github.com/shmkit/shmkit/internal/lock"
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
	ErrBroken = lock.ErrBroken

	// ErrOverRelease says that more units of a [Semaphore] were to be released than may be free, or than the
	// process has. None was released.
	ErrOverRelease = lock.ErrOverRelease

	// ErrNegative says that more of a [WaitGroup] was to be done than was added. Nothing was changed.
	ErrNegative = lock.ErrNegative

	// ErrClosed says that this process has closed the segment. It is an [os.ErrClosed].
	ErrClosed = lock.ErrClosed
)

// A BrokenError is an [ErrBroken] that says why, and which process has done it or has died, as far as that is known.
type BrokenError = lock.BrokenError

// A BrokenCause says why a [Barrier] is broken.
type BrokenCause = lock.BrokenCause

const (
	// BrokenUnknown says that it is not known any more.
	BrokenUnknown = lock.BrokenUnknown
	// BrokenByDeath says that a party was killed, ended, or closed the segment.
	BrokenByDeath = lock.BrokenByDeath
	// BrokenByAbort says that a process called [Barrier.Abort].
	BrokenByAbort = lock.BrokenByAbort
	// BrokenByGivingUp says that the context of a waiter ended.
	BrokenByGivingUp = lock.BrokenByGivingUp
	// BrokenByAction says that the action failed or panicked.
	BrokenByAction = lock.BrokenByAction
	// BrokenByReset says that a process called [Barrier.Reset] while others waited.
	BrokenByReset = lock.BrokenByReset
)

// A WaitPolicy says how blocking calls wait.
type WaitPolicy = wait.Policy

const (
	// Adaptive, the default, spins for some microseconds and then sleeps.
	Adaptive = wait.Adaptive
	// Park sleeps at once: the least processor time.
	Park = wait.Parking
	// Spin never sleeps: the least latency, where each waiter has a processor of its own.
	Spin = wait.Spinning
)
