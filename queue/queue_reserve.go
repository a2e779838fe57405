package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// Reserve gives the place of the next message, to write it there; see [Reservation]. It waits for room
// until ctx ends. Messages that are put later have to wait for it.
//
// Errors: [ErrFull], with [DropNewest], and a message is counted as dropped; those of [Queue.Put]. Nothing is reserved then.
func (q *Queue[T]) Reserve(ctx context.Context) (Reservation[T], error) {
	s, p, _, err := q.r.claimPut()
	at := place{p, s}
	if err == ErrFull || err == ring.ErrHeld {
		w := q.newWaiter()
		err = q.await(ctx, w, &q.r.producers, w.room)
		at = w.at
		q.waiters.Put(w)
	}
	if err != nil {
		return Reservation[T]{}, ring.FullIfDropped(err)
	}
	q.r.open.Add(1)
	elem.MendAt(q.bools, valueOf[T](at.slot))
	return Reservation[T]{Value: valueOf[T](at.slot), at: at, owner: q.r, keep: q}, nil
}

// Peek waits until there is a message, and lets the caller look at it; see [Peeked]. Nobody else gets it.
//
// Errors: those of [Queue.Get].
func (q *Queue[T]) Peek(ctx context.Context) (Peeked[T], error) {
	s, p, _, err := q.r.take()
	at := place{p, s}
	if err == ErrEmpty || err == ring.ErrHeld {
		w := q.newWaiter()
		err = q.await(ctx, w, &q.r.consumers, w.peek)
		at = w.at
		q.waiters.Put(w)
	}
	runtime.KeepAlive(q)
	if err != nil {
		return Peeked[T]{}, err
	}
	q.r.open.Add(1)
	elem.MendAt(q.bools, valueOf[T](at.slot))
	return Peeked[T]{Value: valueOf[T](at.slot), at: at, owner: q.r, keep: q}, nil
}

func (r *mpmcRing) commit(p place) error {
	if err := r.endClaim(p, writing); err != nil {
		return err
	}
	r.publish(p.slot, p.position)
	return nil
}

func (r *mpmcRing) abandonPlace(p place) error {
	if err := r.endClaim(p, writing); err != nil {
		return err
	}
	r.withdraw(p.slot, r.lap(p.position))
	return nil
}

func (r *mpmcRing) releasePlace(p place) error {
	if err := r.endClaim(p, reading); err != nil {
		return err
	}
	return r.release(p.slot, p.position)
}

// endClaim begins the end of a claim that a user has had. When it returns nil, a close of the segment waits for that.
func (r *mpmcRing) endClaim(p place, phase uint64) error {
	if p.slot.state.Load() != wordOf(phase, r.Me, r.lap(p.position)) {
		return ErrNotHeld
	}
	r.open.Add(-1)
	if r.Closer.Closed() {
		r.open.Add(1) // nobody has to wait for it: it dies with the attachment
		return shm.ErrClosed
	}
	return nil
}
