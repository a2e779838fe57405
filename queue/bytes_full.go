package queue

import "github.com/shmkit/shmkit/internal/crashpoint"

// makeRoom does what the options say when there is no room for n bytes, and claims a record for them if there is then.
//
// Errors: [ErrFull] when somebody else holds up the oldest message, errDropped, those of reserve.
func (r *bytesRing) makeRoom(full WhenFull, n uint64) (claim, error) {
	if full == DropNewest {
		r.head.tally.dropped.Add(1)
		return claim{}, errDropped
	}
	for range r.size() / recordBytes {
		old, _, err := r.claimFront()
		switch err {
		case nil:
		case ErrEmpty, ErrClosed, errHeld:
			return r.reserve(n) // there is something new to see, or somebody is at work on the oldest
		default:
			return claim{}, err
		}
		if err := r.release(old); err != nil {
			return claim{}, err
		}
		crashpoint.Here("bytes.dropped")
		r.head.tally.dropped.Add(1)
		if r.tasks != nil {
			r.tasks.joiners.NotifyAll()
		}
		if c, err := r.reserve(n); err != ErrFull {
			return c, err
		}
	}
	return claim{}, ErrFull
}
