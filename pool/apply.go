package pool

import (
	"context"
	"fmt"
	"sync"

	wire "github.com/shmkit/shmkit/internal/codec"
)

// waiters are those of calls of Apply that are over.
var waiters = sync.Pool{New: func() any { return newWaiter() }}

// Apply runs the task with one argument and returns its result. It waits for a worker and for the result until ctx ends;
// the task's own context ends then, too.
//
// Errors: what the task returned, as a [*TaskError]; a [*PanicError]; a [*WorkerDiedError] or [*DeadlineError]; what cannot travel; the
// cause of the end of ctx; [ErrClosed].
func Apply[A, R any](ctx context.Context, p *Pool, t *Task[A, R], arg A) (r R, err error) {
	w := waiters.Get().(*waiter)
	i, err := send(ctx, p, t, w, w, &arg, nil)
	settling := false
	defer func() {
		if settling { // an UnmarshalBinary has ended this goroutine
			p.release(i)
		}
	}()
	for err == nil {
		if err = p.await(ctx, w); err != nil {
			p.cancel(i)
			break
		}
		if len(p.collected(w)) == 0 {
			continue
		}
		var again bool
		settling = true
		r, again, err = settle(p, t, i)
		if settling = false; !again {
			p.release(i)
			break
		}
		err = nil
	}
	if err == nil { // otherwise a result may still be on its way to w
		waiters.Put(w)
	}
	return r, err
}

// send submits one argument, and returns its slot; w waits for a slot if there is none, and to for the result.
func send[A, R any](ctx context.Context, p *Pool, t *Task[A, R], w, to *waiter, arg *A, f settler) (uint32, error) {
	b, err := t.args.encode(arg)
	if err != nil {
		return 0, t.unsent(err)
	}
	var room [1]uint32
	slots := p.grab(w, room[:0], 1, true)
	for len(slots) == 0 {
		if err := p.await(ctx, w); err != nil {
			p.sate(w)
			return 0, err
		}
		slots = p.grab(w, room[:0], 1, true)
	}
	i := slots[0]
	if err := fill(p, t, to, i, 0, 1, b); err != nil {
		p.release(i)
		return 0, err
	}
	p.calls[i].future = f
	if err := p.submit(ctx, slots, false); err != nil {
		return 0, err
	}
	return i, nil
}

func (t *Task[A, R]) unsent(err error) error {
	return fmt.Errorf("pool: task %q: send the argument: %w", t.name, err)
}

// fill puts count arguments, from that index on, into slot i, which is the caller's.
func fill[A, R any](p *Pool, t *Task[A, R], w *waiter, i uint32, index, count int, b []byte) (err error) {
	sl := &p.slots[i]
	sl.task, sl.count = t.id, uint32(count)
	if sl.arg, sl.argLen, err = p.hold(b, sl.args[:]); err != nil {
		if p.alive.Err() != nil {
			return context.Cause(p.alive)
		}
		return t.unsent(err)
	}
	c := &p.calls[i] // as release has left it; not as a whole, since others look whether it is out
	c.waiter, c.index, c.task, c.options = w, index, t.name, &t.options
	return nil
}

// settle reads the result in slot i, which has one argument, or tries again because the task's policy says so.
func settle[A, R any](p *Pool, t *Task[A, R], i uint32) (r R, again bool, err error) {
	c := &p.calls[i]
	if c.err != nil {
		return r, false, c.err
	}
	b, err := p.output(i)
	if err != nil {
		return r, false, err
	}
	r, err = t.open(p.slots[i].kind, b)
	if err != nil && p.terminated.Load() { // its context has ended for that
		<-p.alive.Done() // at once
		return r, false, context.Cause(p.alive)
	}
	if err == nil || t.options.Retry == nil || p.slots[i].kind == kindFailed {
		return r, false, err
	}
	retry, after := t.options.Retry(c.tries+1, err)
	if retry {
		p.again(i, after, err)
	}
	return r, retry, err
}

// open makes a value of a result, or the error that it is.
func (t *Task[A, R]) open(kind uint32, b []byte) (v R, err error) {
	if kind != kindValue {
		var f failure
		if err := wire.Decode(b, &f); err != nil {
			return v, fmt.Errorf("pool: task %q: decode its failure: %w", t.name, err)
		}
		return v, errorFrom(t.name, kind, f)
	}
	if v, err = t.rets.receive(b); err != nil {
		return v, fmt.Errorf("pool: task %q: decode the result: %w", t.name, err)
	}
	return v, nil
}
