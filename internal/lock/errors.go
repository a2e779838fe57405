package lock

import (
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

var (
	// ErrOwnerDied says that the last holder died while it held the lock. The lock is held now.
	ErrOwnerDied = errors.New("the owner of the lock died while holding it")

	// ErrNotRecoverable says that a holder was told of a death and unlocked
	// without marking the lock consistent. The lock is not held, and never will be.
	ErrNotRecoverable = errors.New("the lock is not recoverable: what it guards was left inconsistent")

	// ErrLocked says that TryLock found the lock held by a living process.
	ErrLocked = errors.New("the lock is held")

	// ErrClosed says that the segment of the lock was closed by this process.
	ErrClosed = wait.ErrClosed
)

// An OwnerDiedError is an [ErrOwnerDied] that says who died. All fields are zero when that is not
// known any more, because another process has taken the dead one's place in the segment.
type OwnerDiedError struct {
	PID      int       // as it was in its own PID namespace
	Program  string    // the name of its program, or the first 23 bytes of it
	Attached time.Time // when it opened the segment
}

func (e *OwnerDiedError) Error() string {
	if e.PID == 0 {
		return ErrOwnerDied.Error()
	}
	return fmt.Sprintf("%v: %v", ErrOwnerDied, proctab.Info{PID: e.PID, Program: e.Program})
}

// Unwrap makes [errors.Is] find [ErrOwnerDied].
func (e *OwnerDiedError) Unwrap() error { return ErrOwnerDied }
