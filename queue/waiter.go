package queue

import (
	"context"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// A waiter is one blocked Put or Get. It is reused, with its functions, so that
// waiting allocates nothing.
type waiter[T any] struct {
	q     *Queue[T]
	full  ring.WhenFull     // what to do without room, if it puts
	value T                 // to put, or what was got
	held  proctab.Owner     // who has to finish first, or ring.Nobody
	err   error             // why it is over without success
	at    place             // what was claimed without a copy
	put   func() bool       // w.tryPut
	get   func() bool       // w.tryGet
	room  func() bool       // w.tryReserve
	peek  func() bool       // w.tryPeek
	extra func(*lock.Watch) // w.watch
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
	s, p, held, err := w.q.r.makeRoom(w.full)
	if err == nil {
		*valueOf[T](s) = w.value
		w.q.r.publish(s, p)
	}
	return w.over(held, err)
}

// tryReserve reports whether the wait to reserve is over.
func (w *waiter[T]) tryReserve() bool {
	s, p, held, err := w.q.r.makeRoom(w.full)
	w.at = place{p, s}
	return w.over(held, err)
}

// tryPeek reports whether the wait for a message to look at is over.
func (w *waiter[T]) tryPeek() bool {
	s, p, held, err := w.q.r.take()
	w.at = place{p, s}
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

// await waits on one side of the queue until ready reports that w is over.
func (q *Queue[T]) await(ctx context.Context, w *waiter[T], s *ring.SpinWait, ready func() bool) error {
	other, more := &q.r.producers, q.r.getReady
	if s == &q.r.producers {
		w.full = q.full
		if q.full != ring.WaitForRoom && ready() { // most often it need not wait
			return w.err
		}
		other, more = &q.r.consumers, q.r.putReady
	}
	err := s.Await(ctx, q.policy, other, ready, w.extra, &q.r.head.tally)
	if err == nil {
		err = w.err
	}
	q.r.waited(s, err, more())
	return err
}

// waited ends a wait. More says that the next put, or get, would not have to wait.
//
// It also wakes another sleeper when this one may have used up a wake-up that was meant for both: two slots
// may be claimed in one order and become usable in the other, and the end of the queue is for everybody.
func (r *mpmcRing) waited(s *ring.SpinWait, err error, more bool) {
	switch {
	case r.head.closed.Load() != 0:
		s.Event.NotifyAll()
	case err != nil:
	case more:
		s.Event.Notify()
		s.Adapt(true)
	default:
		s.Adapt(false)
	}
}

// putReady and getReady report whether the next put, or get, would not have to wait.
func (r *mpmcRing) putReady() bool {
	_, far := r.next(&r.puts)
	return far >= isEmpty
}

func (r *mpmcRing) getReady() bool {
	_, far := r.next(&r.gets)
	return far >= isFull
}
