package queue

import "github.com/shmkit/shmkit/internal/crashpoint"

// room is reserve that does what the options say when there is no room.
//
// Errors: those of reserve; [ErrFull], with [DropOldest], while somebody is at work on the oldest message; errDropped.
func (r *bytesRing) room(full WhenFull, n uint64) (claim, error) {
	for range r.size() / recordBytes {
		c, err := r.reserve(n)
		if err != ErrFull || full == WaitForRoom {
			return c, err
		}
		if full == DropNewest {
			r.head.tally.dropped.Add(1)
			return claim{}, errDropped
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
	case errHeld:
		return ErrFull
	default:
		return err
	}
	if err := r.release(old); err != nil {
		return err
	}
	crashpoint.Here("bytes.dropped")
	r.head.tally.dropped.Add(1)
	if r.tasks != nil {
		r.tasks.joiners.NotifyAll()
	}
	return nil
}
