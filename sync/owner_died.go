package shmsync

import (
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// An OwnerDiedError is an [ErrOwnerDied] that names the lock and the process that died. PID,
// Program and Attached are zero when another process has taken its place in the segment since.
type OwnerDiedError struct {
	Lock     string    // kind and name of the lock, and its segment
	PID      int       // of the dead process, in its own PID namespace
	Program  string    // the name of its program, or the first 23 bytes of it
	Attached time.Time // when it opened the segment
	Noticed  time.Time // when a process that locks saw its death first
}

// Error names the lock, the dead process, and what to do.
func (e *OwnerDiedError) Error() string {
	return fmt.Sprintf("%s: %v: %v, noticed at %s: repair what it guards with LockRepair",
		e.Lock, ErrOwnerDied, proctab.Info{PID: e.PID, Program: e.Program}, e.Noticed.Format(wait.Clock))
}

// Unwrap makes [errors.Is] find [ErrOwnerDied].
func (e *OwnerDiedError) Unwrap() error { return ErrOwnerDied }

func (h *handle) died(d *lock.OwnerDiedError) *OwnerDiedError {
	return &OwnerDiedError{Lock: h.title(), PID: d.PID, Program: d.Program, Attached: d.Attached, Noticed: d.Noticed}
}

// lockError makes an error of the lock package one of this package.
func (h *handle) lockError(err error) error {
	switch e := err.(type) {
	case nil:
		return nil
	case *lock.OwnerDiedError:
		return h.died(e)
	case *repairFailed:
		return e.error
	}
	if err == lock.ErrNotHeld {
		return h.concluded(fmt.Errorf("shmsync: %s: %w: %w", h.title(), shm.ErrCorrupt, err))
	}
	return err
}

// A repairFailed is the error of a repair function, apart from those of waiting for the lock.
type repairFailed struct{ error }

func asFailed(err error) error {
	if err == nil {
		return nil
	}
	return &repairFailed{err}
}

// noRepair is the error of a LockRepair without a function.
func (h *handle) noRepair() error {
	return fmt.Errorf("shmsync: %w", segment.Invalid("%s: the repair function must not be nil", h.title()))
}

// A repairer of the lock package is one that the program has given.
type repairer = func(*lock.OwnerDiedError) error

// lockOptions are what the lock package needs to know of the options of a handle.
func (h *handle) lockOptions(repair func() error, detect bool) lock.LockOptions {
	o := lock.LockOptions{Deadlock: detector(h.o.Seg, detect)}
	if repair != nil {
		o.Repair = func(*lock.OwnerDiedError) error { return asFailed(repair()) }
	}
	return o
}

// repairWith are the options o with another function that repairs.
func (h *handle) repairWith(o lock.LockOptions, repair func(*OwnerDiedError) error) *lock.LockOptions {
	o.Repair = func(d *lock.OwnerDiedError) error { return asFailed(repair(h.died(d))) }
	return &o
}

// relocked ends the locking of a waiter that must have the lock: err is that of locking, which a
// death comes with. It reports whether the lock is held.
func (h *handle) relocked(err error, repair repairer, repairHeld func(*lock.OwnerDiedError, repairer) error) (held bool, _ error) {
	died, _ := err.(*lock.OwnerDiedError)
	if died == nil {
		return err == nil, h.lockError(err)
	}
	if repair == nil {
		return true, h.died(died)
	}
	if err := repairHeld(died, repair); err != nil {
		return true, errors.Join(h.died(died), h.lockError(err))
	}
	return true, nil
}
