package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// A turn is one slot that a worker works on.
type turn struct {
	on      bool
	slot    uint32
	message uint64
	serial  uint32
	handler *handler
	arg     []byte // all arguments
	rest    arguments
	left    int // how many have not run
	began   time.Time
}

// serve runs the task that a message names, unless the message is out of date.
func (w *worker) serve(message uint64) error {
	i, serial := uint32(message), uint32(message>>32)
	if int(i) >= len(w.Slots) {
		return fmt.Errorf("pool: a message names slot %d of %d", i, len(w.Slots))
	}
	sl := &w.Slots[i]
	if !sl.State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseQueued, 0, serial), tasktable.StateOf(tasktable.PhaseRunning, w.me, serial)) { // #2 -> #3
		return nil // withdrawn, or another worker has it
	}
	crashpoint.Here("pool.running")
	w.turn = turn{on: true, slot: i, message: message, serial: serial}
	w.chunk, w.vector.on = w.chunk[:0], false
	w.enter()
	if timed := sl.Timed; timed != 0 {
		w.turn.began = time.Now()
		if timed&tasktable.TellBegan != 0 {
			sl.Began.Store(w.turn.began.UnixNano())
		}
	}
	w.prepare(sl)
	return w.carryOn()
}

// enter notes what runs now, so that its context can be ended.
func (w *worker) enter() {
	w.mu.Lock()
	w.slot, w.serial = w.turn.slot, w.turn.serial
	w.mu.Unlock()
	if w.Slots[w.slot].Cancel.Load() == w.serial { // before anybody could order it
		w.current.end(context.Canceled)
	}
}

// leave is the opposite of enter.
func (w *worker) leave() {
	w.mu.Lock()
	w.serial = 0
	if w.config.IdleTimeout > 0 {
		w.began = time.Now()
	}
	reusable := w.current.over()
	if !reusable {
		w.current = &taskContext{base: w.base}
	}
	w.mu.Unlock()
}

// prepare finds the function and the arguments of the turn. What keeps it from that is the result.
func (w *worker) prepare(sl *tasktable.Slot) {
	t := &w.turn
	if w.known == nil || w.known.id != sl.Task {
		w.known = handlerOf(sl.Task)
	}
	in, err := w.Bytes(sl.Arg, int(sl.ArgLen), sl.Args[:])
	switch {
	case w.known == nil:
		w.fail(sl, kindFailed, failure{Text: "the worker does not know it: define it before pool.Main is called"})
	case err != nil:
		w.fail(sl, kindFailed, failureOf(err))
	default:
		t.handler, t.left, t.arg = w.known, int(sl.Count), in
		if t.left > 1 {
			if t.rest, err = w.known.args.argumentsIn(in, t.left); err == nil {
				err = w.vector.begin(w.known, sl, in, t.rest, t.left)
			}
		}
		if err != nil {
			t.handler, t.left = nil, 0
			w.fail(sl, kindFailed, failureOf(err))
		}
	}
}

// carryOn runs what is left of the turn, and hands in the results.
func (w *worker) carryOn() error {
	t := &w.turn
	sl := &w.Slots[t.slot]
	w.out = reply{w: w, sl: sl, many: sl.Count > 1}
	out := &w.out
	v := &w.vector
	for v.on && v.next < v.count {
		w.attempt(sl, nil, out)
	}
	for !v.on && t.left > 0 {
		t.left--
		item := t.arg
		if out.many {
			var err error
			if item, err = t.rest.next(); err != nil {
				return err
			}
			sl.At.Store(sl.Count - 1 - uint32(t.left))
		}
		w.attempt(sl, item, out)
	}
	switch {
	case v.on && v.sent == 0:
		w.put(sl, kindVector, v.out)
	case v.on:
		w.put(sl, kindChunk, v.flush(w.chunk, v.count))
	case out.many && t.handler != nil:
		w.put(sl, kindChunk, w.chunk)
	}
	v.on = false
	return w.commit()
}

// attempt runs the task with one argument, whatever it does, and leaves the result of it.
func (w *worker) attempt(sl *tasktable.Slot, item []byte, out *reply) {
	returned := false
	defer func() {
		if returned {
			return
		}
		f := failure{Text: "runtime.Goexit was called", Stack: string(debug.Stack())} // then take goes on with the turn
		if v := recover(); v != nil {
			f.Text = fmt.Sprint(v)
		}
		f.Stack = f.Stack[:min(len(f.Stack), maxStack)]
		out.fail(kindPanic, f)
	}()
	var ctx context.Context = w.current
	if sl.Soft > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(sl.Soft))
		defer cancel()
	}
	var err error
	if w.vector.on {
		err = w.turn.handler.vector(ctx, &w.vector)
	} else {
		err = w.turn.handler.run(ctx, item, out)
	}
	if err != nil {
		var own *taskError
		var panicked *PanicError
		switch {
		case errors.As(err, &own):
			out.fail(kindError, failureOf(own.err))
		case errors.As(err, &panicked): // in the argument or in the result
			out.fail(kindPanic, failure{Text: panicked.Value, Stack: panicked.Stack})
		default:
			out.fail(kindFailed, failureOf(err))
		}
	}
	returned = true
}

// commit makes the result of the turn the slot's.
func (w *worker) commit() error {
	t := &w.turn
	sl := &w.Slots[t.slot]
	if sl.Timed&tasktable.TellRan != 0 {
		sl.Ran = int64(time.Since(t.began))
	}
	w.leaveSegments()
	w.leave()
	w.tasks += int(sl.Count)
	count := uint64(sl.Count)
	t.on = false
	crashpoint.Here("pool.finished")
	// SYNC: result: the whole result is visible to whoever sees the slot done.
	if w.local {
		if !sl.State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseRunning, w.me, t.serial), tasktable.StateOf(tasktable.PhaseDone, w.me, t.serial)) {
			return errLeftBehind // the parent has given up on this goroutine: see local.go
		}
	} else {
		sl.State.Store(tasktable.StateOf(tasktable.PhaseDone, w.me, t.serial)) // #3 -> #4
	}
	w.record.Done.Add(count)
	crashpoint.Here("pool.done")
	return w.Done.Put(context.Background(), t.message)
}

// errLeftBehind says that nobody wants the result any more.
var errLeftBehind = errors.New("pool: a task ran past its hard deadline")

// A reply is where the result of one argument goes.
type reply struct {
	w    *worker
	sl   *tasktable.Slot
	many bool // one of several
}

// sendResult leaves a value as the result.
func sendResult[R any](c codec[R], result R, out *reply) error {
	b, err := c.encode(&result)
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	return out.put(kindValue, b)
}

// put leaves bytes as the result.
func (out *reply) put(kind uint32, b []byte) error {
	if out.many {
		out.w.chunk = appendResult(out.w.chunk, kind, b)
		return nil
	}
	return out.w.hand(out.sl, kind, b)
}

// fail leaves a failure as the result.
func (out *reply) fail(kind uint32, f failure) {
	if !out.many {
		out.w.fail(out.sl, kind, f)
		return
	}
	if v := &out.w.vector; v.on {
		out.w.chunk = v.flush(out.w.chunk, v.next-1)
		v.sent = v.next
	}
	b, err := wire.Encode(f)
	if err != nil {
		b, _ = wire.Encode(failure{Text: f.Text})
	}
	out.w.chunk = appendResult(out.w.chunk, kind, b)
}

// put leaves bytes as the result of a slot, or why that is impossible.
func (w *worker) put(sl *tasktable.Slot, kind uint32, b []byte) {
	if err := w.hand(sl, kind, b); err != nil {
		w.fail(sl, kindFailed, failureOf(err))
	}
}

// fail leaves a failure as the result of a slot, cut short if there is no room for it.
func (w *worker) fail(sl *tasktable.Slot, kind uint32, f failure) {
	b, err := wire.Encode(f)
	if err == nil && w.hand(sl, kind, b) == nil {
		return
	}
	f.Stack, f.Text = "", f.Text[:min(len(f.Text), tasktable.ResultBytes/2)]
	for range 2 {
		if b, err = wire.Encode(f); err == nil && len(b) <= tasktable.ResultBytes && w.hand(sl, kind, b) == nil {
			return
		}
		f.Sentinels = nil
	}
	fmt.Fprintf(os.Stderr, "pool: cannot report a failure: %s\n", f.Text)
}

// hand leaves bytes as the result of a slot. A block goes to the parent before the slot is
// done, so that it is not freed with a worker that dies after that.
func (w *worker) hand(sl *tasktable.Slot, kind uint32, b []byte) error {
	block, err := w.place(b)
	if err != nil {
		return err
	}
	sl.Kind, sl.Result, sl.ResultLen = kind, block, uint32(len(b))
	crashpoint.Here("pool.held")
	if block != 0 && !w.local {
		return w.Mem.Give(block, proctab.Owner(w.config.Parent), w.turn.slot+1)
	}
	return nil
}
