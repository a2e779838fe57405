package queue

import (
	"context"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A waiter is one blocked Put or Get. It is reused, with its functions, so that
// waiting allocates nothing.
type waiter[T any] struct {
	q     *Queue[T]
	value T                 // to put, or what was got
	held  proctab.Owner     // who has to finish first, or nobody
	err   error             // why it is over without success
	stale uint32            // stays 0: a word that differs from 1, so that nobody sleeps on it
	put   func() bool       // w.tryPut
	get   func() bool       // w.tryGet
	extra func() futex.Word // w.liveness
}

func (q *Queue[T]) newWaiter() *waiter[T] {
	w, ok := q.waiters.Get().(*waiter[T])
	if !ok {
		w = &waiter[T]{q: q}
		w.put, w.get, w.extra = w.tryPut, w.tryGet, w.liveness
	}
	w.held, w.err = nobody, nil
	return w
}

// tryPut reports whether the wait to put is over.
func (w *waiter[T]) tryPut() bool { return w.over(w.q.tryPut(w.value)) }

// tryGet reports whether the wait to get is over.
func (w *waiter[T]) tryGet() bool {
	held, err := w.q.tryGet(&w.value)
	return w.over(held, err)
}

func (w *waiter[T]) over(held proctab.Owner, err error) bool {
	w.held = held
	if err == ErrFull || err == ErrEmpty || err == errHeld {
		return false
	}
	w.err = err
	return true
}

// liveness is the word to sleep on, beside the event, for the death of who has to finish first.
func (w *waiter[T]) liveness() futex.Word {
	if w.held == nobody || w.held == w.q.r.me { // nobody survives his own death
		return futex.Word{}
	}
	if word, ok := w.q.r.table.Liveness(w.held); ok {
		return word
	}
	return futex.Word{Addr: &w.stale, Val: 1} // it has died by now: look again
}

// await waits until ready reports that w is over.
func (w *waiter[T]) await(ctx context.Context, event *lock.EventCount, ready func() bool) error {
	if err := event.Await(ctx, w.q.policy, ready, w.extra); err != nil {
		return err
	}
	return w.err
}

// passOn wakes another sleeper when this one may have used up a wake-up that was
// meant for both: two slots may change in one order and become usable in the other,
// and the end of the queue is for everybody.
func (r *ring) passOn(event *lock.EventCount, ready bool) {
	switch {
	case r.head.closed.Load() != 0:
		event.NotifyAll()
	case ready:
		event.Notify()
	}
}

// putReady and getReady report whether the next put, or get, would not have to wait.
func (r *ring) putReady() bool {
	p := r.head.put.Load()
	return stageOf(r.slot(p).state.Load(), r.lap(p)) >= isEmpty
}

func (r *ring) getReady() bool {
	p := r.head.get.Load()
	return stageOf(r.slot(p).state.Load(), r.lap(p)) >= isFull
}
