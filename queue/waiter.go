package queue

import (
	"context"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/mpmc"
)

// A waiter is one blocked Put or Get. It is reused, with its functions, so that
// waiting allocates nothing.
type waiter[T any] struct {
	q        *Queue[T]
	full     ring.WhenFull     // what to do without room, if it puts
	value    T                 // to put, or what was got
	held     proctab.Owner     // the process that has to finish first, or ring.Nobody
	err      error             // why it is over without success
	slot     *mpmc.Slot        // what was claimed without a copy
	position uint64            // of the slot
	put      func() bool       // w.tryPut
	get      func() bool       // w.tryGet
	room     func() bool       // w.tryReserve
	peek     func() bool       // w.tryPeek
	extra    func(*lock.Watch) // w.watch
}

func (q *Queue[T]) newWaiter() *waiter[T] {
	w, ok := q.waiters.Get().(*waiter[T])
	if !ok {
		w = &waiter[T]{q: q}
		w.put, w.get, w.room, w.peek, w.extra = w.tryPut, w.tryGet, w.tryReserve, w.tryPeek, w.watch
	}
	w.full, w.held, w.err = ring.WaitForRoom, ring.Nobody, nil
	return w
}

// tryPut reports whether the wait to put is over.
func (w *waiter[T]) tryPut() bool {
	s, p, held, err := w.q.r.MakeRoom(w.full)
	if err == nil {
		*mpmc.Value[T](s) = w.value
		w.q.r.Publish(s, p)
	}
	return w.over(held, err)
}

// tryReserve reports whether the wait to reserve is over.
func (w *waiter[T]) tryReserve() bool {
	s, p, held, err := w.q.r.MakeRoom(w.full)
	w.slot, w.position = s, p
	return w.over(held, err)
}

// tryPeek reports whether the wait for a message to look at is over.
func (w *waiter[T]) tryPeek() bool {
	s, p, held, err := w.q.r.ClaimGet()
	w.slot, w.position = s, p
	return w.over(held, err)
}

// tryGet reports whether the wait to get is over.
func (w *waiter[T]) tryGet() bool {
	held, err := w.q.tryGet(&w.value)
	return w.over(held, err)
}

func (w *waiter[T]) over(held proctab.Owner, err error) bool {
	w.held = held
	if err == ErrFull || err == ErrEmpty || err == ring.ErrHeld {
		return false
	}
	w.err = err
	return true
}

func (w *waiter[T]) watch(l *lock.Watch) { w.full.Watch(l, w.held) }

// awaitRoom waits until ready reports that w, which puts or reserves, is over.
func (q *Queue[T]) awaitRoom(ctx context.Context, w *waiter[T], ready func() bool) error {
	w.full = q.full
	if q.full != ring.WaitForRoom && ready() { // most often it need not wait
		return w.err
	}
	err := q.await(ctx, w, &q.r.Producers, &q.r.Consumers, ready, q.r.PutReady)
	if err != nil && err != ring.ErrDropped {
		err = q.lateForRoom(ctx, err, q.Len(), w.held, "has the next place")
	}
	return err
}

// awaitMessage waits until ready reports that w, which gets or peeks, is over.
func (q *Queue[T]) awaitMessage(ctx context.Context, w *waiter[T], ready func() bool) error {
	err := q.await(ctx, w, &q.r.Consumers, &q.r.Producers, ready, q.r.GetReady)
	if err != nil {
		err = q.lateForMessage(ctx, err, w.held, "writes the oldest")
	}
	return err
}

func (q *Queue[T]) await(ctx context.Context, w *waiter[T], at, other *ring.SpinWait, ready, more func() bool) error {
	err := at.Await(ctx, q.policy, other, ready, w.extra, &q.r.Shared.Counters)
	if err == nil {
		err = w.err
	}
	q.r.Waited(at, err, more())
	return err
}
