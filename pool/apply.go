package pool

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/wait"
)

// waiters are those of calls of Apply that are over.
var waiters = sync.Pool{New: func() any { return parent.NewWaiter() }}

// Apply runs the task with one argument and returns its result. It waits for a worker and for the
// result until ctx ends; the task's own context ends then, too.
//
// Errors: what the task returned, as a [*TaskError]; a [*PanicError]; a [*WorkerDiedError] or
// [*DeadlineError]; what cannot travel; the cause of the end of ctx, with how far the task had
// come; [ErrClosed].
func Apply[A, R any](ctx context.Context, p *Pool, t *Task[A, R], arg A) (r R, err error) {
	began := wait.Start(ctx)
	w := waiters.Get().(*parent.Waiter)
	i, err := send(ctx, p, t, w, w, &arg, nil)
	settling := false
	defer func() {
		if settling { // an UnmarshalBinary has ended this goroutine
			p.core.Release(i)
		}
	}()
	for err == nil {
		if err = p.core.Await(ctx, w); err != nil {
			err = p.core.Unanswered(ctx, t.core.Name, i, wait.Late(ctx, err, began))
			p.core.Cancel(i)
			break
		}
		if len(p.core.Collected(w)) == 0 {
			continue
		}
		var again bool
		settling = true
		r, again, err = settle(p, t, i, &w.Scratch)
		if settling = false; !again {
			p.core.Release(i)
			break
		}
		err = nil
	}
	if err == nil { // otherwise a result may still be on its way to w
		waiters.Put(w)
	}
	// A handle in it keeps an object without a name until the worker has opened that.
	runtime.KeepAlive(&arg)
	return r, err
}

// send submits one argument, and returns its slot; w waits for a slot if there is none, and to for
// the result.
func send[A, R any](ctx context.Context, p *Pool, t *Task[A, R], w, to *parent.Waiter, arg *A, f parent.Settler) (uint32, error) {
	b, err := t.args.Encode(arg)
	if err != nil {
		return 0, parent.Unsent(t.core.Name, err)
	}
	return p.core.Send(ctx, w, task.ContentOf(b), &parent.Order{
		Task: &t.core, Waiter: to, Count: 1, Future: f,
		Kept:  f == nil, // the end of the pool waits for futures anyway
		Carry: p.core.Carry(ctx),
	})
}

// settle reads the result in slot i, which has one argument, or tries again because the task's
// policy says so.
func settle[A, R any](p *Pool, t *Task[A, R], i uint32, scratch *[]byte) (r R, again bool, err error) {
	c := p.core.Call(i)
	if c.Err != nil {
		return r, false, c.Err
	}
	kind := c.Got.Kind
	b, err := p.core.Result(i, scratch, kind == task.KindValue && !t.rets.IsWire())
	if err != nil {
		return r, false, cmp.Or(p.core.TooLate(), err)
	}
	r, err = t.open(kind, b)
	if late := p.core.TooLate(); late != nil {
		var none R
		return none, false, late
	}
	if err != nil {
		if ended := p.core.Terminated(); ended != nil { // its context has ended for that
			return r, false, ended
		}
	}
	if err == nil || c.Options.Retry == nil || kind == task.KindFailed {
		return r, false, err
	}
	retry, after := c.Options.Retry(c.Tries+1, err)
	if retry = retry && !p.core.Dropping(); retry {
		p.core.Again(i, after, err)
	}
	return r, retry, err
}

// open makes a value of a result, or the error that it is. The bytes are in memory of this process,
// unless the value is copied.
func (t *Task[A, R]) open(kind uint32, b []byte) (v R, err error) {
	switch {
	case kind == task.KindNil:
		kind, b = task.KindValue, nil
	case kind == task.KindValue && b == nil: // empty memory
		b = []byte{}
	}
	if kind != task.KindValue {
		f, err := task.Codec[task.Failure]{}.Receive(b)
		if err != nil {
			return v, fmt.Errorf("pool: task %q: decode its failure: %w", t.core.Name, err)
		}
		return v, errorFrom(t.core.Name, kind, f)
	}
	if v, err = t.rets.Receive(b); err != nil {
		return v, fmt.Errorf("pool: task %q: decode the result: %w", t.core.Name, err)
	}
	return v, nil
}
