package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/mpmc"
)

// PutBatch appends all messages of vs, in this order, and returns how many it has appended. It
// waits for room until ctx ends. Messages of others may come between them. With [DropNewest], when
// there is no room for one it and the rest are dropped, and n is less than len(vs) without an
// error.
//
// Errors: those of [Queue.Put]; n messages are in the queue then.
func (q *Queue[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	told := 0 // so many of them were announced
	for ; n < len(vs) && err == nil; n++ {
		s, p, _, e := q.r.ClaimPut()
		if e == nil {
			*mpmc.Value[T](s) = vs[n]
			q.r.Store(s, p)
			continue
		}
		if e == ErrFull || e == ring.ErrHeld {
			q.r.Consumers.Event.Notify()
			told = n + 1
			e = q.putSlow(ctx, &vs[n])
		}
		if err = e; err != nil {
			break
		}
	}
	if n > told {
		q.r.Consumers.Event.Notify()
	}
	if err == ring.ErrDropped {
		q.r.Shared.Counters.Dropped.Add(uint64(len(vs) - n - 1)) // the first is counted
		err = nil
	}
	runtime.KeepAlive(q)
	return n, err
}

// GetBatch takes as many of the oldest messages as there are, up to len(vs), and returns how many
// it has taken. It waits for the first until ctx ends. For an empty vs it does nothing.
//
// Errors: those of [Queue.Get]; no message has been taken then.
func (q *Queue[T]) GetBatch(ctx context.Context, vs []T) (n int, err error) {
	if len(vs) == 0 {
		return 0, nil
	}
	if n = q.getMore(vs); n > 0 {
		return n, nil
	}
	if vs[0], err = q.Get(ctx); err != nil {
		return 0, err
	}
	return 1 + q.getMore(vs[1:]), nil
}

// getMore takes what is there.
func (q *Queue[T]) getMore(vs []T) (n int) {
	for n < len(vs) {
		s, p, _, err := q.r.ClaimGet()
		if err != nil {
			break
		}
		vs[n] = *mpmc.Value[T](s)
		elem.MendAt(q.bools, &vs[n])
		if err := q.r.Free(s, p); err != nil && q.landed(&vs[n], p, err) != nil {
			break
		}
		n++
	}
	if n > 0 {
		q.r.Producers.Event.Notify()
	}
	runtime.KeepAlive(q)
	return n
}

// Reserve gives the place of the next message, to write it there; see [Reservation]. It waits for
// room until ctx ends. Messages that are put later have to wait for it.
//
// Errors: [ErrFull], with [DropNewest], and a message is counted as dropped; those of [Queue.Put].
// Nothing is reserved then.
func (q *Queue[T]) Reserve(ctx context.Context) (Reservation[T], error) {
	s, p, _, err := q.r.ClaimPut()
	if err == ErrFull || err == ring.ErrHeld {
		w := q.newWaiter()
		err = q.awaitRoom(ctx, w, w.room)
		s, p = w.slot, w.position
		q.waiters.Put(w)
	}
	if err != nil {
		return Reservation[T]{}, ring.FullIfDropped(err)
	}
	q.r.Keep()
	elem.MendAt(q.bools, mpmc.Value[T](s))
	return Reservation[T]{Value: mpmc.Value[T](s), position: p, ring: q.r, queue: &q.object}, nil
}

// Peek waits until there is a message, and lets the caller look at it; see [Peeked]. No other
// consumer gets it.
//
// Errors: those of [Queue.Get].
func (q *Queue[T]) Peek(ctx context.Context) (Peeked[T], error) {
	s, p, _, err := q.r.ClaimGet()
	if err == ErrEmpty || err == ring.ErrHeld {
		w := q.newWaiter()
		err = q.awaitMessage(ctx, w, w.peek)
		s, p = w.slot, w.position
		q.waiters.Put(w)
	}
	runtime.KeepAlive(q)
	if err != nil {
		return Peeked[T]{}, err
	}
	q.r.Keep()
	elem.MendAt(q.bools, mpmc.Value[T](s))
	return Peeked[T]{Value: mpmc.Value[T](s), position: p, ring: q.r, queue: &q.object}, nil
}
