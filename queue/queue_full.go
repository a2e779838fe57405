package queue

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// makeRoom is claimPut that does what the options say when the queue is full.
//
// Errors: those of claimPut, and errDropped.
func (r *ring) makeRoom(full WhenFull) (s *slot, p uint64, held proctab.Owner, err error) {
	for range r.tries() {
		s, p, held, err = r.claimPut()
		if err == ErrFull {
			r.head.tally.saw(r.capacity())
		}
		switch {
		case full == DropNewest && (err == ErrFull || err == errHeld):
			r.head.tally.dropped.Add(1)
			return nil, 0, nobody, errDropped
		case full == DropOldest && err == ErrFull:
			if err = r.dropOldest(); err == nil {
				continue
			}
		}
		return s, p, held, err
	}
	return nil, 0, nobody, r.corrupt()
}

// dropOldest takes out the oldest message, if it is still there and nobody else is at work on it.
//
// What a death leaves behind: a slot that counts as abandoned instead of dropped, or as neither.
func (r *ring) dropOldest() error {
	s, p, _, err := r.claimGet()
	switch err {
	case nil:
	case ErrEmpty, r.over, errHeld:
		return nil // there is something new to see
	default:
		return err
	}
	if err := r.release(s, p); err != nil {
		return err
	}
	crashpoint.Here("queue.dropped")
	r.head.tally.dropped.Add(1)
	if r.tasks != nil {
		r.tasks.joiners.NotifyAll()
	}
	return nil
}
