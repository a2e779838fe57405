package parent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// Began says which worker has begun a task, and when, as pool.Began does, with the same fields.
type Began struct {
	Worker string
	PID    int
	At     time.Time
}

// Running says which worker runs the task of s in slot i.
func (p *Pool) Running(i uint32, s Settler) (b Began, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, state := &p.calls[i], p.table.Slots[i].State.Load()
	switch {
	case !c.out || c.future != s:
		return b, false
	case !c.live: // it has ended, and its future does not know yet
		return c.Began, !c.Began.At.IsZero()
	case tasktable.PhaseOf(state) != tasktable.PhaseRunning || tasktable.SerialOf(state) != c.serial:
		return b, false
	case p.bridge != nil:
		return p.bridge.began(tasktable.MessageOf(i, c.serial))
	}
	return p.begun(i, state)
}

// begun returns the worker that has begun the task in slot i, from the state of the slot. p.mu is
// held.
func (p *Pool) begun(i uint32, state uint64) (b Began, ok bool) {
	at := p.table.Slots[i].Began.Load()
	worker := p.workers.find(tasktable.WorkerOf(state))
	if at == 0 || worker == nil {
		return b, false
	}
	return Began{Worker: worker.name(), PID: worker.host.PID(), At: time.Unix(0, at)}, true
}

// Unanswered is the error of a call that ends because of err, although its task, in slot i, may go
// on: if ctx has ended, it says how far the task has come.
func (p *Pool) Unanswered(ctx context.Context, task string, i uint32, err error) error {
	if ctx.Err() == nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	where := "its result is about to come"
	if c, s := &p.calls[i], p.table.Slots[i].State.Load(); c.live {
		switch {
		case c.homeless:
			where = "it waits for room in Options.Memory"
		case c.delayed:
			where = fmt.Sprintf("it waits for its next attempt, %d have failed", c.Tries)
		case tasktable.PhaseOf(s) == tasktable.PhaseRunning && p.bridge != nil:
			where = "it waits for a worker elsewhere, or runs in one"
		case tasktable.PhaseOf(s) == tasktable.PhaseRunning && slices.Contains(p.room.workers, p.workers.find(tasktable.WorkerOf(s))):
			where = p.workers.nameOf(tasktable.WorkerOf(s)) + " waits for room for its result in Options.Memory"
		case tasktable.PhaseOf(s) == tasktable.PhaseRunning:
			where = "it runs in " + p.workers.nameOf(tasktable.WorkerOf(s))
		case tasktable.PhaseOf(s) == tasktable.PhaseQueued:
			where = fmt.Sprintf("it is one of %d that wait for one of %d workers", p.queued(), p.workers.awake())
		}
	}
	return fmt.Errorf("pool: task %q: %s: %w", task, where, err)
}
