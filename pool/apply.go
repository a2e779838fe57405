package pool

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/task"
)

// waiters are those of calls of Apply that are over.
var waiters = sync.Pool{New: func() any { return newWaiter() }}

// Apply runs the task with one argument and returns its result. It waits for a worker and for the
// result until ctx ends; the task's own context ends then, too.
//
// Errors: what the task returned, as a [*TaskError]; a [*PanicError]; a [*WorkerDiedError] or
// [*DeadlineError]; what cannot travel; the cause of the end of ctx, with how far the task had
// come; [ErrClosed].
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
			err = p.unanswered(ctx, t.name, i, err)
			p.cancel(i)
			break
		}
		if len(p.collected(w)) == 0 {
			continue
		}
		var again bool
		settling = true
		r, again, err = settle(p, t, i, &w.scratch)
		if settling = false; !again {
			p.release(i)
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
func send[A, R any](ctx context.Context, p *Pool, t *Task[A, R], w, to *waiter, arg *A, f settler) (uint32, error) {
	b, err := t.args.Encode(arg)
	if err != nil {
		return 0, t.unsent(err)
	}
	var room [1]uint32
	slots := p.acquireSlots(w, room[:0], 1, true)
	for len(slots) == 0 {
		if err := p.await(ctx, w); err != nil {
			p.cancelSlotWait(w)
			return 0, t.unsubmitted(ctx, "the Backlog is full", err)
		}
		slots = p.acquireSlots(w, room[:0], 1, true)
	}
	i := slots[0]
	if err := sendRoom(ctx, p, t, w, i, b); err != nil {
		p.leaveRoom(w)
		p.release(i)
		return 0, err
	}
	fill(p, t, to, i, 0, 1)
	p.calls[i].future = f
	p.calls[i].kept = f == nil // the end of the pool waits for futures anyway
	if err := p.submit(ctx, slots, false); err != nil {
		return 0, err
	}
	return i, nil
}

func (t *Task[A, R]) unsent(err error) error {
	return fmt.Errorf("pool: task %q: send the argument: %w", t.name, err)
}

// sendRoom puts an argument into slot i as soon as there is room for it.
func sendRoom[A, R any](ctx context.Context, p *Pool, t *Task[A, R], w *waiter, i uint32, b []byte) error {
	for {
		placed, err := p.place(w, i, task.ContentOf(b))
		switch {
		case placed:
			return nil
		case err != nil:
			return p.notPlaced(t.unsent(err))
		}
		if err := p.await(ctx, w); err != nil {
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
	return fmt.Errorf("pool: task %q: %s: %w", t.name, why, err)
}

// notPlaced is the error of an argument that was not placed because of err: if the pool has ended,
// why.
func (p *Pool) notPlaced(err error) error {
	if p.alive.Err() != nil {
		return context.Cause(p.alive)
	}
	return err
}

// fill says what is in slot i, which is the caller's: count arguments from that index on. They are
// in place.
func fill[A, R any](p *Pool, t *Task[A, R], w *waiter, i uint32, index, count int) {
	sl := &p.table.Slots[i]
	sl.Task, sl.Count = t.id, uint32(count)
	c := &p.calls[i] // as release has left it; not as a whole, since others look whether it is out
	c.waiter, c.index, c.count, c.task, c.options = w, index, count, t.name, p.defaults(t.options)
}

// settle reads the result in slot i, which has one argument, or tries again because the task's
// policy says so.
func settle[A, R any](p *Pool, t *Task[A, R], i uint32, scratch *[]byte) (r R, again bool, err error) {
	c := &p.calls[i]
	if c.err != nil {
		return r, false, c.err
	}
	kind := c.got.kind
	b, err := p.result(i, scratch, kind == task.KindValue && !t.rets.IsWire())
	if err != nil {
		return r, false, cmp.Or(p.tooLate(), err)
	}
	r, err = t.open(kind, b)
	if late := p.tooLate(); late != nil {
		var none R
		return none, false, late
	}
	if err != nil && p.terminated.Load() { // its context has ended for that
		<-p.alive.Done() // at once
		return r, false, context.Cause(p.alive)
	}
	if err == nil || c.options.Retry == nil || kind == task.KindFailed {
		return r, false, err
	}
	retry, after := c.options.Retry(c.tries+1, err)
	if retry = retry && !p.dropping.Load(); retry {
		p.again(i, after, err)
	}
	return r, retry, err
}

// tooLate is why what has just been read in shared memory may be something else: the pool has
// ended, and the memory was closed before the end of the read. It is nil when the read has come in
// time.
func (p *Pool) tooLate() error {
	if p.table.Mem.Closed() {
		return context.Cause(p.alive) // it ends before
	}
	return nil
}

// result is what the worker has left in slot i: in memory that no other process can write, unless
// its reader copies it once and decodes the copy. It is valid until the next call with that scratch
// memory.
func (p *Pool) result(i uint32, scratch *[]byte, copies bool) ([]byte, error) {
	o := &p.calls[i].got
	if o.moved != nil {
		return o.moved, nil
	}
	b, err := p.table.Bytes(o.block.off, o.block.size, p.table.Slots[i].Results[:])
	if err != nil || copies {
		return b, err
	}
	b = append((*scratch)[:0], b...)
	if len(b) <= scratchBytes {
		*scratch = b
	}
	return b, nil
}

// scratchBytes is how much memory a call keeps for results.
const scratchBytes = 64 << 10

// open makes a value of a result, or the error that it is. The bytes are in memory of this process,
// unless the value is copied.
func (t *Task[A, R]) open(kind uint32, b []byte) (v R, err error) {
	if kind != task.KindValue {
		f, err := task.Codec[task.Failure]{}.Receive(b)
		if err != nil {
			return v, fmt.Errorf("pool: task %q: decode its failure: %w", t.name, err)
		}
		return v, errorFrom(t.name, kind, f)
	}
	if v, err = t.rets.Receive(b); err != nil {
		return v, fmt.Errorf("pool: task %q: decode the result: %w", t.name, err)
	}
	return v, nil
}
