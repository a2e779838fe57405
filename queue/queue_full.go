package queue

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// makeRoom is claimPut that does what the options say when the queue is full.
//
// Errors: those of claimPut, and ring.ErrDropped.
func (r *mpmcRing) makeRoom(full ring.WhenFull) (s *slot, p uint64, held proctab.Owner, err error) {
	for range r.tries() {
		s, p, held, err = r.claimPut()
		if err == ErrFull {
			r.head.tally.ObserveDepth(r.capacity())
		}
		switch {
		case full == ring.DropNewest && (err == ErrFull || err == ring.ErrHeld):
			r.head.tally.Dropped.Add(1)
			return nil, 0, ring.Nobody, ring.ErrDropped
		case full == ring.DropOldest && err == ErrFull:
			if err = r.dropOldest(); err == nil {
				continue
			}
		}
		return s, p, held, err
	}
	return nil, 0, ring.Nobody, r.corrupt()
}

// dropOldest takes out the oldest message, if it is still there and nobody else is at work on it.
//
// What a death leaves behind: a slot that counts as abandoned instead of dropped, or as neither.
func (r *mpmcRing) dropOldest() error {
	s, p, _, err := r.claimGet()
	switch err {
	case nil:
	case ErrEmpty, r.over, ring.ErrHeld:
		return nil // there is something new to see
	default:
		return err
	}
	if err := r.release(s, p); err != nil {
		return err
	}
	crashpoint.Here("queue.dropped")
	r.head.tally.Dropped.Add(1)
	r.tasks.Notify()
	return nil
}
