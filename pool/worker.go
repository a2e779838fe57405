package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/queue"
)

// A worker is the worker's side of a pool.
type worker struct {
	*table
	record *record
	parent proctab.Owner
}

// run takes tasks until the pool is closed or ctx ends.
func (w *worker) run(ctx context.Context, number uint32) error {
	w.record.owner.Store(uint32(w.s.Me()))
	w.record.ready.Store(stageReady)
	// SYNC: ready: with this the parent knows who is at work under this owner id.
	if err := w.done.Put(ctx, messageOf(readySlot, number)); err != nil {
		return err
	}
	for {
		message, err := w.todo.Get(ctx)
		if errors.Is(err, queue.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		crashpoint.Here("pool.got")
		if err := w.serve(ctx, message); err != nil {
			return err
		}
	}
}

// serve runs the task that a message names, unless the message is out of date.
//
// What a death leaves behind: a slot that is queued, of which the message is lost;
// running by the dead; or done by the dead, of which the message may be lost. The parent finds each by a walk.
func (w *worker) serve(ctx context.Context, message uint64) error {
	i, serial := uint32(message), uint32(message>>32)
	if int(i) >= len(w.slots) {
		return fmt.Errorf("pool: a message names slot %d of %d", i, len(w.slots))
	}
	sl := &w.slots[i]
	if !sl.state.CompareAndSwap(stateOf(phaseQueued, 0, serial), stateOf(phaseRunning, w.s.Me(), serial)) { // #2 -> #3
		return nil // withdrawn, or another worker has it
	}
	crashpoint.Here("pool.running")
	w.execute(ctx, i)
	crashpoint.Here("pool.finished")
	// SYNC: result: the whole result is visible to whoever sees the slot done.
	sl.state.Store(stateOf(phaseDone, w.s.Me(), serial)) // #3 -> #4
	w.record.done.Add(1)
	crashpoint.Here("pool.done")
	return w.done.Put(context.WithoutCancel(ctx), message)
}

// execute runs the task of slot i and leaves its result, of whatever kind, in the slot.
func (w *worker) execute(ctx context.Context, i uint32) {
	sl := &w.slots[i]
	out := &reply{w: w, sl: sl}
	h := handlerOf(sl.task)
	if h == nil {
		out.fail(kindFailed, failure{Text: "the worker does not know it: define it before pool.Main is called"})
		return
	}
	in, err := w.input(i)
	if err == nil {
		err = isolate(ctx, h, in, out)
	}
	var own *taskError
	var panicked *PanicError
	switch {
	case err == nil:
	case errors.As(err, &panicked):
		out.fail(kindPanic, failure{Text: panicked.Value, Stack: panicked.Stack})
	case errors.As(err, &own):
		out.fail(kindError, failure{Text: own.err.Error()})
	default:
		out.fail(kindFailed, failure{Text: err.Error()})
	}
}

// isolate runs the task in a goroutine of its own, so that not even runtime.Goexit ends the worker.
func isolate(ctx context.Context, h *handler, in []byte, out *reply) (err error) {
	done := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if returned {
				return
			}
			p := &PanicError{Task: h.name, Value: "runtime.Goexit was called", Stack: string(debug.Stack())}
			if v := recover(); v != nil {
				p.Value = fmt.Sprint(v)
			}
			done <- p
		}()
		err := h.run(ctx, in, out)
		returned = true
		done <- err
	}()
	return <-done
}

// A reply is where a task's result goes.
type reply struct {
	w  *worker
	sl *slot
}

// sendResult leaves a value as the result.
func sendResult[R any](c codec[R], result R, out *reply) error {
	b, err := c.encode(&result)
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	return out.put(kindValue, b)
}

// fail leaves a failure as the result, cut short if there is no room for it.
func (out *reply) fail(kind uint32, f failure) {
	b, err := wire.Encode(f)
	if err == nil && out.put(kind, b) == nil {
		return
	}
	b, err = wire.Encode(failure{Text: f.Text[:min(len(f.Text), resultBytes-32)]})
	if err != nil || out.put(kind, b) != nil {
		fmt.Fprintf(os.Stderr, "pool: cannot report a failure: %s\n", f.Text)
	}
}

// put leaves bytes as the result. A block goes to the parent before the slot is
// done, so that it is not freed with a worker that dies after that.
func (out *reply) put(kind uint32, b []byte) error {
	sl := out.sl
	block, n, err := out.w.hold(b, sl.results[:])
	if err != nil {
		return err
	}
	sl.kind, sl.result, sl.resultLen = kind, block, n
	crashpoint.Here("pool.held")
	if block != 0 {
		return out.w.s.Give(block, out.w.parent)
	}
	return nil
}
