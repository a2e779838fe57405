package queue

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// A side is how the producers, or the consumers, of this process wait.
type side struct {
	event    *lock.EventCount
	spinning atomic.Bool   // one goroutine of the process spins at a time
	used     atomic.Bool   // somebody in this process has waited on this side
	vain     atomic.Uint32 // how many spins in a row were in vain
	pause    atomic.Uint32 // how long the next spin waits before its first look, in units of cpu.Pause; 0 counts as 1
}

const (
	// maxFirstPause is how long a stream lets the other side gather messages, or room, before it looks again.
	maxFirstPause = 32
	// lastPause bounds how much later than it could a spinning waiter sees that its wait is over.
	lastPause = 64
	// spins is how many times the usual spinning a waiter does before it sleeps. Where a wake-up takes longer
	// than the other side spins, both would sleep for each round of the ring.
	spins = 2
	// After a spin in vain, waiters look only a few times, except for one of so many.
	fewLooks   = 6
	probeEvery = 16
)

// A waiter is one blocked Put or Get. It is reused, with its functions, so that
// waiting allocates nothing.
type waiter[T any] struct {
	q     *Queue[T]
	value T                 // to put, or what was got
	held  proctab.Owner     // who has to finish first, or nobody
	err   error             // why it is over without success
	put   func() bool       // w.tryPut
	get   func() bool       // w.tryGet
	extra func(*lock.Watch) // w.watch
}

func (q *Queue[T]) newWaiter() *waiter[T] {
	w, ok := q.waiters.Get().(*waiter[T])
	if !ok {
		w = &waiter[T]{q: q}
		w.put, w.get, w.extra = w.tryPut, w.tryGet, w.watch
	}
	w.held, w.err = nobody, nil
	return w
}

// tryPut reports whether the wait to put is over.
func (w *waiter[T]) tryPut() bool { return w.over(w.q.tryPut(&w.value)) }

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

// watch has the sleep end with the death of who has to finish first.
func (w *waiter[T]) watch(l *lock.Watch) { l.Process(w.held) }

// await waits until ready reports that w is over: it spins, then it sleeps.
func (w *waiter[T]) await(ctx context.Context, s, other *side, ready func() bool) error {
	policy := w.q.policy
	if policy == wait.Adaptive {
		if s.spin(other, ready) {
			return w.err
		}
		policy = wait.Parking
	}
	if err := s.event.Await(ctx, policy, ready, w.extra); err != nil {
		return err
	}
	return w.err
}

// spin looks a bounded number of times, and reports whether ready did.
//
// Spinning pays only while the other side runs on another processor. When it was in vain,
// the next waits are short, but for one now and then that finds out whether things have changed.
func (s *side) spin(other *side, ready func() bool) bool {
	if !s.used.Load() {
		s.used.Store(true)
	}
	if other.used.Load() { // the other side may be a goroutine that needs this processor
		if runtime.Gosched(); ready() {
			return true
		}
	}
	if !s.spinning.CompareAndSwap(false, true) {
		return false
	}
	defer s.spinning.Store(false)
	vain := s.vain.Load()
	looks := fewLooks
	if vain%probeEvery == 0 {
		looks = math.MaxInt
	}
	first := max(s.pause.Load(), 1)
	for range spins {
		for spin := wait.NewSpin(wait.Adaptive, first, lastPause); looks > 0 && spin.Pause(); looks-- {
			if ready() {
				s.vain.Store(0)
				return true
			}
		}
	}
	s.vain.Store(vain + 1)
	return false
}

// waited ends a wait. More says that the next put, or get, would not have to wait.
//
// It adapts the next spin. Several messages, or rooms, at once are a stream: to fetch each
// as it comes would move the cache lines to and fro for each. A single one is a conversation, where each pause is felt.
//
// It also wakes another sleeper when this one may have used up a wake-up that was meant for both: two slots
// may be claimed in one order and become usable in the other, and the end of the queue is for everybody.
func (r *ring) waited(s *side, err error, more bool) {
	first := max(s.pause.Load(), 1)
	switch {
	case r.head.closed.Load() != 0:
		s.event.NotifyAll()
	case err != nil:
	case more:
		s.event.Notify()
		s.pause.Store(min(2*first, maxFirstPause))
	default:
		s.pause.Store(first / 2)
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
