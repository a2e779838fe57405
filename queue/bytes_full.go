package queue

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
)

// room is reserve that does what the options say when there is no room.
//
// Errors: those of reserve; [ErrFull], with [DropOldest], while somebody is at work on the oldest message; ring.ErrDropped.
func (r *bytesRing) room(full ring.WhenFull, n uint64) (claim, error) {
	for range r.size() / recordBytes {
		c, err := r.reserve(n)
		if err != ErrFull || full == ring.WaitForRoom {
			return c, err
		}
		if full == ring.DropNewest {
			r.head.tally.Dropped.Add(1)
			return claim{}, ring.ErrDropped
		}
		if err := r.dropOldest(); err != nil {
			return claim{}, err
		}
	}
	return claim{}, ErrFull
}

// dropOldest takes out the oldest message, if it is still there.
//
// Errors: [ErrFull] when somebody else is at work on it, or on what was taken before it: to drop it would make no room; errBusy,
// [shm.ErrClosed], [shm.ErrCorrupt].
//
// What a death leaves behind: a record that counts as abandoned instead of dropped, or as neither.
func (r *bytesRing) dropOldest() error {
	old, _, err := r.claimFront(true)
	switch err {
	case nil:
	case ErrEmpty, ErrClosed:
		return nil // there is something new to see
	case ring.ErrHeld:
		return ErrFull
	default:
		return err
	}
	if err := r.release(old); err != nil {
		return err
	}
	crashpoint.Here("bytes.dropped")
	r.head.tally.Dropped.Add(1)
	r.tasks.Notify()
	return nil
}
