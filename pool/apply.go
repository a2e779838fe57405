package pool

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/task"
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
			err = p.core.Unanswered(ctx, t.core.Name, i, err)
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
		return 0, t.unsent(err)
	}
	var room [1]uint32
	slots := p.core.AcquireSlots(w, room[:0], 1, true)
	for len(slots) == 0 {
		if err := p.core.Await(ctx, w); err != nil {
			p.core.CancelSlotWait(w)
			return 0, t.unsubmitted(ctx, "the Backlog is full", err)
		}
		slots = p.core.AcquireSlots(w, room[:0], 1, true)
	}
	i := slots[0]
	if err := sendRoom(ctx, p, t, w, i, b); err != nil {
		p.core.LeaveRoom(w)
		p.core.Release(i)
		return 0, err
	}
	p.core.Fill(i, &parent.Order{
		Task: &t.core, Waiter: to, Count: 1, Future: f,
		Kept: f == nil, // the end of the pool waits for futures anyway
	})
	if err := p.core.Submit(ctx, slots, false); err != nil {
		return 0, err
	}
	return i, nil
}

func (t *Task[A, R]) unsent(err error) error {
	return fmt.Errorf("pool: task %q: send the argument: %w", t.core.Name, err)
}

// sendRoom puts an argument into slot i as soon as there is room for it.
func sendRoom[A, R any](ctx context.Context, p *Pool, t *Task[A, R], w *parent.Waiter, i uint32, b []byte) error {
	for {
		placed, err := p.core.Place(w, i, task.ContentOf(b))
		switch {
		case placed:
			return nil
		case err != nil:
			return p.notPlaced(t.unsent(err))
		}
		if err := p.core.Await(ctx, w); err != nil {
			return t.unsubmitted(ctx, "its argument waits for room in Options.Memory", err)
		}
	}
}

// unsubmitted is the error of a task that was not submitted because of err: if ctx has ended, it
// says what was waited for.
func (t *Task[A, R]) unsubmitted(ctx context.Context, why string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("pool: task %q: %s: %w", t.core.Name, why, err)
}

// notPlaced is the error of an argument that was not placed because of err: if the pool has ended,
// why.
func (p *Pool) notPlaced(err error) error { return cmp.Or(p.core.Ended(), err) }

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
