package lock

import (
	"errors"
	"fmt"

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

// An OwnerDiedError is an [ErrOwnerDied] that says who died.
type OwnerDiedError struct {
	Process proctab.Info // what is known about it
	Known   bool         // false: another process has taken its slot in the table since
}

func (e *OwnerDiedError) Error() string {
	if !e.Known {
		return ErrOwnerDied.Error()
	}
	return fmt.Sprintf("%v: %v", ErrOwnerDied, e.Process)
}

// Unwrap makes [errors.Is] find [ErrOwnerDied].
func (e *OwnerDiedError) Unwrap() error { return ErrOwnerDied }
