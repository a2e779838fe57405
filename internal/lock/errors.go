package lock

import (
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

var (
	// ErrOwnerDied says that the last owner died while it held the lock, and that what the lock
	// guards has not been repaired since. It comes as an [*OwnerDiedError].
	ErrOwnerDied = errors.New("the owner of the lock died while holding it")

	// ErrLocked says that TryLock found the lock held by a living process.
	ErrLocked = errors.New("the lock is held")

	// ErrTakenForDead says that the other processes have taken this one for dead, as they do when
	// it was ended by a checkpoint and is restored (CRIU), or when some process has overwritten its
	// slot of the table. It gets no lock any more: it has to close the segment, and open it anew.
	ErrTakenForDead = errors.New("this process was taken for dead, as one that is restored from a checkpoint, or whose slot " +
		"of the process table was overwritten: close the segment, and open it anew")

	// ErrNotHeld says that a lock was not held any more when it should have been.
	ErrNotHeld = errors.New("the lock was unlocked by its repair function, or overwritten")

	// ErrImpossible says that a number of units can never be right: it is not positive, or there
	// are never as many.
	ErrImpossible = errors.New("there are never so many units")

	// ErrDamaged says that what is in shared memory makes no sense.
	ErrDamaged = errors.New("its bytes were overwritten")

	// ErrNoCell says that an object has no room for this process, which can only be when its memory
	// was overwritten.
	ErrNoCell = errors.New("the object has no room for this process: it was overwritten")

	// ErrClosed says that the segment of the lock was closed by this process.
	ErrClosed = wait.ErrClosed
)

// An OwnerDiedError is an [ErrOwnerDied] that names the dead process. PID, Program and Attached are
// zero when another process has taken its place in the segment since.
type OwnerDiedError struct {
	Owner    proctab.Owner
	PID      int       // in the PID namespace of the dead process
	Program  string    // the name of its program, or the first 23 bytes of it
	Attached time.Time // when it opened the segment
	Noticed  time.Time // when a locker saw its death first; zero where that is not recorded

	held bool // the lock is held with this error
}

func (e *OwnerDiedError) Error() string {
	if e.PID == 0 {
		return ErrOwnerDied.Error()
	}
	return fmt.Sprintf("%v: %v", ErrOwnerDied, proctab.Info{PID: e.PID, Program: e.Program})
}

// Unwrap makes [errors.Is] find [ErrOwnerDied].
func (e *OwnerDiedError) Unwrap() error { return ErrOwnerDied }

// WithLock reports whether the lock is held all the same, see [Mutex.Lock].
func (e *OwnerDiedError) WithLock() bool { return e.held }
