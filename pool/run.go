package pool

import (
	"context"
)

// A run is one call of Map or IMap: it turns arguments into tasks, a bounded number at a time, and hands over
// the results as they come. Everything happens in the caller's goroutine.
type run[A, R any] struct {
	p        *Pool
	t        *Task[A, R]
	w        *waiter
	next     func() (a *A, ok bool, err error)
	ahead    int        // slots that may be on their way
	behind   func() int // results that wait for their turn; nil: none ever do
	admitted bool
	sizing   sizing

	flying  int      // slots that are
	bytes   int      // of their arguments
	index   int      // of the next argument
	slots   []uint32 // for the next arguments
	full    []uint32 // with arguments, to be submitted
	chunk   []byte
	done    []uint32  // whose results were handed over
	failed  error     // of the arguments: there are no more
	over    bool      // there are no more
	again   []load    // arguments of chunks whose worker died
	refused []refused // arguments that cannot travel
	value   R         // of the last result: so that it need not be in the heap for itself
}

// A refused is an argument that cannot travel.
type refused struct {
	index int
	err   error
}

func newRun[A, R any](p *Pool, t *Task[A, R], next func() (*A, bool, error)) *run[A, R] {
	r := &run[A, R]{p: p, t: t, w: newWaiter(), next: next}
	r.sizing.fixed, r.sizing.workers = t.options.chunk(), p.size()
	return r
}

// all runs everything. It calls hand for each result, until that wants no more or returns an error.
//
// Errors: that of hand; that of the arguments, at the end; the cause of the end of ctx; why the pool has ended.
func (r *run[A, R]) all(ctx context.Context, hand func(index int, value *R, err error) (more bool, _ error)) error {
	for {
		if err := r.send(ctx); err != nil {
			return err
		}
		for _, f := range r.refused {
			var zero R
			if more, err := hand(f.index, &zero, f.err); err != nil || !more {
				return err
			}
		}
		if len(r.refused) > 0 { // then there may be more to send
			r.refused = r.refused[:0]
			continue
		}
		if r.flying == 0 && r.over && len(r.again) == 0 {
			return r.failed
		}
		if err := r.p.await(ctx, r.w); err != nil {
			return err
		}
		if r.p.terminated.Load() { // what comes now may have failed because of that
			<-r.p.alive.Done() // at once
			return context.Cause(r.p.alive)
		}
		if more, err := r.receive(hand); err != nil || !more {
			return err
		}
	}
}

// close lets go of what is left.
func (r *run[A, R]) close() {
	r.p.sate(r.w)
	r.p.release(append(r.slots, r.full...)...)
	if r.flying > 0 || len(r.done) > 0 {
		r.p.abandon(r.w)
	}
}

// send fills as many slots as there may be, and submits them.
func (r *run[A, R]) send(ctx context.Context) error {
	for !(r.over && len(r.again) == 0) && len(r.refused) == 0 {
		room := min(r.room()-r.flying, sendMost)
		if r.behind != nil && len(r.again) == 0 { // what is to go again may be what they wait for
			room = min(room, behindMost*r.ahead-r.flying-r.behind()/max(r.sizing.fixed, 1))
		}
		if room <= 0 {
			break
		}
		if len(r.slots) == 0 {
			r.slots = r.p.grab(r.w, r.slots, room, r.flying == 0)
		}
		if len(r.slots) == 0 {
			break
		}
		for len(r.slots) > 0 && len(r.full) < min(room, r.room()-r.flying) && len(r.refused) == 0 {
			if !r.fill() {
				break
			}
		}
		if len(r.full) == 0 {
			break
		}
		full := r.full
		r.full = r.full[:0]
		r.flying += len(full) // when it fails, some may be on their way
		if err := r.p.submit(ctx, full, r.admitted); err != nil {
			return err
		}
	}
	return nil
}

// room is how many slots may be on their way: few as long as nobody knows how long a task takes, and when arguments
// are so large that more of them would only fill memory and caches.
func (r *run[A, R]) room() int {
	switch {
	case r.bytes > flyingBytes:
		return min(r.ahead, 2*r.sizing.workers)
	case r.sizing.unknown():
		return min(r.ahead, 4*r.sizing.workers)
	}
	return r.ahead
}

const flyingBytes = 1 << 20

// behindMost is how many times as many slots as may be on their way may be there in all, on their way or waiting for their turn.
const behindMost = 4

// sendMost is how many slots are filled before they are submitted: so that workers do not wait for the last of many.
const sendMost = 16
