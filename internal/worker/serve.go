package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// A job is one slot that a worker works on.
type job struct {
	on      bool
	slot    uint32
	message uint64
	serial  uint32
	handler *task.Handler
	arg     []byte // all arguments
	rest    task.Arguments
	left    int       // how many have not run
	began   time.Time // zero: not known
}

// slowTask is how long a task runs beside which a look at the clock costs nothing: after one of
// those the worker times the next one, too.
const slowTask = 100 * time.Microsecond

// serve runs the task that a message names, unless the message is out of date.
func (w *Worker) serve(message uint64) error {
	i, serial := uint32(message), uint32(message>>32)
	if int(i) >= len(w.Slots) {
		return fmt.Errorf("pool: a message names slot %d of %d", i, len(w.Slots))
	}
	sl := &w.Slots[i]
	// #2 -> #3
	if !sl.State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseQueued, 0, serial), tasktable.StateOf(tasktable.PhaseRunning, w.me, serial)) {
		return nil // withdrawn, or another worker has it
	}
	crashpoint.Here("pool.running")
	w.job = job{on: true, slot: i, message: message, serial: serial}
	w.out.Begin(sl.Count > 1)
	w.enter()
	w.current.setCarry(sl.Carried())
	if timed := sl.Timed & (tasktable.TellRan | tasktable.TellBegan); timed != 0 || w.slow || w.slept() {
		w.job.began = time.Now()
		ns := w.job.began.UnixNano()
		w.record.Since.Store(ns)
		w.record.SinceOf.Store(uint32(w.record.Done.Load()))
		if timed&tasktable.TellBegan != 0 {
			sl.Began.Store(ns)
		}
	}
	w.prepare(sl)
	return w.resume()
}

// slept reports whether this worker, or another one, has slept for want of tasks since it was
// called last. The look costs little: only sleepers write there.
func (w *Worker) slept() bool {
	before := w.sleeps
	w.sleeps = w.Sleeps.Load()
	return w.sleeps != before
}

// enter notes what runs now, so that its context can be ended.
func (w *Worker) enter() {
	w.mu.Lock()
	w.Slot, w.serial = w.job.slot, w.job.serial
	w.mu.Unlock()
	if w.Slots[w.Slot].Cancel.Load() == w.serial { // before the parent could order it
		w.current.end(context.Canceled)
	}
}

// leave is the opposite of enter.
func (w *Worker) leave() {
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

// prepare finds the function and the arguments of the job. What keeps it from that is the result.
func (w *Worker) prepare(sl *tasktable.Slot) {
	t := &w.job
	if w.known == nil || w.known.ID != sl.Task {
		w.known = task.ByID(sl.Task)
	}
	in, err := w.Bytes(sl.Arg, int(sl.ArgLen), sl.Args[:])
	if sl.Timed&tasktable.NilArg != 0 {
		in = nil
	}
	switch {
	case w.known == nil:
		w.out.FailWhole(task.KindFailed, task.Failure{Text: "the worker does not know it: define it before pool.Main is called"})
	case err != nil:
		w.out.FailWhole(task.KindFailed, task.FailureOf(err))
	default:
		t.handler, t.left, t.arg = w.known, int(sl.Count), in
		w.out.Arg = in
		if t.left > 1 {
			if t.rest, err = w.known.Args.ArgumentsIn(in, t.left); err == nil {
				err = w.out.Vector.Begin(w.known, &sl.At, in, t.rest, t.left)
			}
		}
		if err != nil {
			t.handler, t.left = nil, 0
			w.out.FailWhole(task.KindFailed, task.FailureOf(err))
		}
	}
}

// resume runs what is left of the job, and hands in the results.
func (w *Worker) resume() error {
	t := &w.job
	sl := &w.Slots[t.slot]
	out := &w.out
	v := &out.Vector
	for v.On && v.Next < v.Count {
		w.attempt(sl, nil)
	}
	for !v.On && t.left > 0 {
		t.left--
		item := t.arg
		if out.Many {
			var err error
			if item, err = t.rest.Next(); err != nil {
				return err
			}
			sl.At.Store(sl.Count - 1 - uint32(t.left))
		}
		w.attempt(sl, item)
	}
	if t.handler != nil {
		out.Finish()
	}
	return w.commit()
}

// attempt runs the task with one argument, whatever it does, and leaves the result of it.
func (w *Worker) attempt(sl *tasktable.Slot, item []byte) {
	returned := false
	defer func() {
		if !returned { // then take goes on with the job
			p := guard.Recovered(recover())
			w.out.Fail(task.KindPanic, task.Failure{Text: p.Value, Stack: p.Stack})
		}
	}()
	var ctx context.Context = w.current
	if sl.Soft > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(sl.Soft))
		defer cancel()
	}
	if err := w.job.handler.Attempt(ctx, item, &w.out); err != nil {
		w.out.FailWith(err)
	}
	returned = true
}

// commit makes the result of the job the slot's.
func (w *Worker) commit() error {
	t := &w.job
	sl := &w.Slots[t.slot]
	if !t.began.IsZero() {
		ran := time.Since(t.began)
		if w.slow = ran >= slowTask; sl.Timed&tasktable.TellRan != 0 {
			sl.Ran = int64(ran)
		}
	}
	if f := &w.out.Failed; sl.Count > 1 {
		if sl.Failures = f.All; f.All > 0 {
			sl.Panics, sl.Unsent = f.Panics, f.Unsent
		}
	}
	w.leaveSegments()
	w.leave()
	w.tasks += int(sl.Count)
	count := uint64(sl.Count)
	t.on = false
	crashpoint.Here("pool.finished")
	// SYNC: result: the whole result is visible to a reader that sees the slot done.
	if w.local {
		if !sl.State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseRunning, w.me, t.serial), tasktable.StateOf(tasktable.PhaseDone, w.me, t.serial)) {
			return ErrLeftBehind // the parent has given up on this goroutine
		}
	} else {
		sl.State.Store(tasktable.StateOf(tasktable.PhaseDone, w.me, t.serial)) // #3 -> #4
	}
	w.record.Done.Add(count)
	crashpoint.Here("pool.done")
	return w.Done.Put(context.Background(), t.message)
}

// ErrLeftBehind says that no caller wants the result any more.
var ErrLeftBehind = errors.New("pool: a task ran past its hard deadline")
