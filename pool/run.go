package pool

import (
	"context"
	"time"
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

// fill puts the next arguments into the next slot. It reports false when there are none.
func (r *run[A, R]) fill() bool {
	n := r.take()
	if n.count == 0 {
		return false
	}
	i := r.slots[len(r.slots)-1]
	if n.err == nil {
		n.err = fill(r.p, r.t, r.w, i, n.index, n.count, n.bytes)
	}
	if n.err != nil && r.p.alive.Err() != nil {
		return false // the pool has ended, which is the error of all, once
	}
	if n.err != nil {
		for k := range n.count {
			r.refused = append(r.refused, refused{n.index + k, n.err})
		}
		return true
	}
	r.bytes += len(n.bytes)
	r.p.calls[i].kills = n.kills
	r.p.calls[i].timed = r.sizing.unknown()
	r.slots = r.slots[:len(r.slots)-1]
	r.full = append(r.full, i)
	return true
}

// A load is what goes into one slot.
type load struct {
	index, count int
	bytes        []byte
	kills        int   // workers that died of it
	err          error // it cannot travel
}

// take is the next load: arguments that were sent before come first.
func (r *run[A, R]) take() (l load) {
	if n := len(r.again); n > 0 {
		l, r.again = r.again[n-1], r.again[:n-1]
		return l
	}
	n := r.sizing.next()
	if l = r.one(); n == 1 || l.count == 0 || l.err != nil {
		return l
	}
	r.chunk = appendFrame(r.chunk[:0], l.bytes)
	for l.count < n && len(r.chunk) < chunkBytes {
		more := r.one()
		if more.err != nil {
			r.refused = append(r.refused, refused{more.index, more.err})
			break
		}
		if more.count == 0 {
			break
		}
		r.chunk = appendFrame(r.chunk, more.bytes)
		l.count++
	}
	if l.bytes = r.chunk; l.count == 1 {
		l.bytes, _, _ = cutFrame(r.chunk)
	}
	return l
}

// one is the next argument, if there is one.
func (r *run[A, R]) one() (l load) {
	if r.over {
		return l
	}
	a, ok, err := r.next()
	if !ok {
		r.over, r.failed = true, err
		return l
	}
	l.index, l.count = r.index, 1
	r.index++
	r.sizing.left--
	if l.bytes, err = r.t.args.encode(a); err != nil {
		l.err = r.t.unsent(err)
	}
	return l
}

// receive hands over what has come, and gives the slots back.
func (r *run[A, R]) receive(hand func(int, *R, error) (bool, error)) (more bool, err error) {
	more = true
	for _, i := range r.p.collected(r.w) {
		if r.p.calls[i].split {
			err = r.split(i)
		} else {
			more, err = r.open(i, hand)
		}
		if err != nil || !more {
			return more, err // close looks after the rest
		}
	}
	r.p.release(r.done...)
	r.done = r.done[:0]
	return true, nil
}

// open hands over the results in slot i.
func (r *run[A, R]) open(i uint32, hand func(int, *R, error) (bool, error)) (more bool, err error) {
	c, sl := &r.p.calls[i], &r.p.slots[i]
	if sl.count == 1 {
		value, again, err := settle(r.p, r.t, i)
		if again {
			return true, nil
		}
		r.landed(i)
		r.value = value
		return hand(c.index, &r.value, err)
	}
	r.landed(i)
	b, failed := r.p.output(i)
	if c.err != nil {
		failed = c.err
	}
	if failed == nil && sl.kind != kindChunk {
		_, failed = r.t.open(sl.kind, b)
	}
	for k := range int(sl.count) {
		var kind uint32
		var item []byte
		var none R
		r.value = none
		err := failed
		if err == nil {
			kind, item, b, err = cutResult(b)
		}
		if err == nil {
			r.value, err = r.t.open(kind, item)
		}
		if more, err := hand(c.index+k, &r.value, err); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// landed notes that slot i has been on its way.
func (r *run[A, R]) landed(i uint32) {
	r.flying--
	r.bytes -= int(r.p.slots[i].argLen)
	r.done = append(r.done, i)
	if sl := &r.p.slots[i]; sl.timed != 0 && r.p.calls[i].err == nil {
		r.sizing.saw(int(sl.count), time.Duration(sl.ran))
	}
}

// split has the arguments in slot i run one by one, since the worker died of one of them.
func (r *run[A, R]) split(i uint32) error {
	c, sl := &r.p.calls[i], &r.p.slots[i]
	r.flying--
	r.bytes -= int(sl.argLen)
	r.done = append(r.done, i)
	b, err := r.p.input(i)
	if err != nil {
		return err
	}
	b = append([]byte(nil), b...) // the block goes with the slot
	for k := range int(sl.count) {
		l := load{index: c.index + k, count: 1}
		if l.bytes, b, err = cutFrame(b); err != nil {
			return err
		}
		if k == int(sl.at.Load()) {
			if l.kills = c.kills; c.err != nil { // it has no other attempt
				r.refused = append(r.refused, refused{l.index, c.err})
				continue
			}
		}
		r.again = append(r.again, l)
	}
	return nil
}
