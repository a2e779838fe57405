package parent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/queue"
)

// Admit has [Pool.Close] wait for a call that submits tasks as it goes, until dismiss.
//
// Errors: [task.ErrClosed].
func (p *Pool) Admit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return task.ErrClosed
	}
	p.admitted++
	return nil
}

func (p *Pool) Dismiss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admitted--; p.closing && p.settledAll() {
		close(p.empty)
	}
}

// Send puts one argument, or a chunk, into a slot and submits it, and returns the slot. The waiter
// waits for a slot if there is none, and for room.
//
// Errors: what can never be sent; the cause of the end of ctx; why the pool has ended.
func (p *Pool) Send(ctx context.Context, w *Waiter, c task.Content, o *Order) (uint32, error) {
	var room [1]uint32
	slots := p.AcquireSlots(w, room[:0], 1, true)
	for len(slots) == 0 {
		if err := p.Await(ctx, w); err != nil {
			p.CancelSlotWait(w)
			return 0, unsubmitted(ctx, o.Task.Name, "the Backlog is full", err)
		}
		slots = p.AcquireSlots(w, room[:0], 1, true)
	}
	i := slots[0]
	if err := p.sendRoom(ctx, w, i, c, o.Task.Name); err != nil {
		p.LeaveRoom(w)
		p.Release(i)
		return 0, err
	}
	p.Fill(i, o)
	if err := p.Submit(ctx, slots, false); err != nil {
		return 0, err
	}
	return i, nil
}

// sendRoom puts arguments into slot i as soon as there is room for them.
func (p *Pool) sendRoom(ctx context.Context, w *Waiter, i uint32, c task.Content, name string) error {
	for {
		placed, err := p.Place(w, i, c)
		switch {
		case placed:
			return nil
		case err != nil:
			return p.NotPlaced(name, err)
		}
		if err := p.Await(ctx, w); err != nil {
			return unsubmitted(ctx, name, "its argument waits for room in Options.Memory", err)
		}
	}
}

// NotPlaced is the error of an argument that was not placed because of err: if the pool has ended,
// why.
func (p *Pool) NotPlaced(name string, err error) error { return cmp.Or(p.Ended(), Unsent(name, err)) }

// Unsent is the error of an argument that cannot be sent because of err.
func Unsent(name string, err error) error {
	return fmt.Errorf("pool: task %q: send the argument: %w", name, err)
}

// unsubmitted is the error of a task that was not submitted because of err: if ctx has ended, it
// says what was waited for.
func unsubmitted(ctx context.Context, name, why string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("pool: task %q: %s: %w", name, why, err)
}

// Submit sends the tasks in slots to the workers. Their arguments are in place, and p.calls
// describes them: Submit itself sets their serial numbers and marks them as live. A closed pool
// takes those that were admitted before.
func (p *Pool) Submit(ctx context.Context, slots []uint32, admitted bool) error {
	p.mu.Lock()
	if err := p.refusal(ctx, admitted); err != nil {
		p.mu.Unlock()
		p.Release(slots...)
		return err
	}
	p.pending += len(slots)
	var room [64]uint64
	messages := room[:0]
	for _, i := range slots {
		p.calls[i].out = true
		p.counts.submit(&p.calls[i])
		p.enqueue(i)
		messages = append(messages, tasktable.MessageOf(i, p.calls[i].serial))
	}
	p.workers.wakeIdle()
	p.mu.Unlock()
	crashpoint.Here("pool.queued")
	n, err := p.table.Todo.PutBatch(ctx, messages)
	if err == nil {
		return nil
	}
	for _, m := range messages[n:] {
		if !p.withdraw(uint32(m), uint32(m>>32)) {
			n++ // resendQueued has sent it
		}
	}
	switch {
	case n == len(messages):
		return nil
	case p.alive.Err() != nil:
		return context.Cause(p.alive)
	}
	return err
}

// refusal is why, under mu, the pool takes no task.
func (p *Pool) refusal(ctx context.Context, admitted bool) error {
	switch {
	case p.alive.Err() != nil:
		return context.Cause(p.alive)
	case p.closing && !admitted || p.dropping.Load():
		return task.ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// enqueue makes the task in slot i a queued one, under mu. Its message is sent after that.
func (p *Pool) enqueue(i uint32) {
	sl, c := &p.table.Slots[i], &p.calls[i]
	c.serial = nextSerial(c.serial)
	if !c.live || c.delayed {
		p.work++
	}
	c.live, c.delayed, c.running = true, false, time.Time{}
	sl.Soft, sl.Timed, sl.Kind, sl.Result, sl.ResultLen, sl.Ran = int64(c.Options.SoftDeadline), 0, 0, 0, 0, 0
	sl.At.Store(0)
	if sl.Cancel.Load() != 0 { // an attempt may have had the same number, 2^32 attempts ago
		sl.Cancel.Store(0)
	}
	c.Got = Outcome{}
	if c.timed || c.Count > 1 || c.serial%timedOf == 1 { // the first, too
		if sl.Timed = tasktable.TellRan; c.since.IsZero() {
			c.since = time.Now()
		}
	}
	if c.carries {
		sl.Timed |= tasktable.HasCarry
	}
	if c.nilArg {
		sl.Timed |= tasktable.NilArg
	}
	if c.future != nil {
		sl.Timed |= tasktable.TellBegan
		sl.Began.Store(0)
	}
	// else the pool that runs the task looks after it
	if c.Options.HardDeadline > 0 && p.bridge == nil {
		p.watchDeadlines()
	}
	// SYNC: task: the argument is visible to the worker that takes the slot.
	sl.State.Store(tasktable.StateOf(tasktable.PhaseQueued, 0, c.serial)) // #1, #4 -> #2
}

// Again tries the task in slot i once more after a time. Its waiter has seen that it failed.
func (p *Pool) Again(i uint32, after time.Duration, err error) {
	p.dropResult(i)
	p.mu.Lock()
	c := &p.calls[i]
	c.Tries++
	p.retry(c, 1)
	c.live, c.delayed, c.owed = true, true, false
	serial := c.serial
	// From here on a message of the attempt that has failed, sent twice because of a death, means
	// nothing.
	p.table.Slots[i].State.Store(tasktable.StateOf(tasktable.PhaseFree, 0, serial)) // #4 -> #1
	p.event(slog.LevelInfo, "task runs again: it has failed", slog.String("task", c.task), slog.Int("failures", c.Tries),
		slog.Duration("after", after), slog.String("error", err.Error()))
	p.mu.Unlock()
	if after > 0 {
		time.AfterFunc(after, func() { p.resume(i, serial) })
		return
	}
	p.resume(i, serial)
}

// resume queues a task that was delayed, unless its caller has gone meanwhile.
func (p *Pool) resume(i, serial uint32) {
	p.mu.Lock()
	c := &p.calls[i]
	if !c.delayed || c.homeless || c.serial != serial {
		p.mu.Unlock()
		return
	}
	queued := p.requeue(i)
	serial = c.serial
	p.workers.wakeIdle()
	p.mu.Unlock()
	if queued {
		p.resend(tasktable.MessageOf(i, serial))
	}
}

// resend puts a message that is alone, or may be lost. It may wait for room, which the workers
// make.
func (p *Pool) resend(message uint64) {
	if err := p.table.Todo.Put(p.alive, message); err != nil && p.alive.Err() == nil && !errors.Is(err, queue.ErrClosed) {
		p.fail(err)
	}
}
