package parent

import (
	"context"
	"log/slog"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// handleDeath looks after the tasks of a dead worker: results that are complete are delivered,
// tasks that it was running are tried again or fail, and messages that it may have swallowed,
// unless its end was clean, are sent again. Worker 0 died before it had an owner id.
func (p *Pool) handleDeath(worker proctab.Owner, d WorkerExit, clean bool) {
	var gone []uint32
	p.mu.Lock()
	for i := range p.calls {
		c := &p.calls[i]
		if !c.live || c.delayed {
			continue
		}
		s := p.table.Slots[i].State.Load()
		mine := worker != 0 && tasktable.WorkerOf(s) == worker && tasktable.SerialOf(s) == c.serial
		switch {
		case mine && tasktable.PhaseOf(s) == tasktable.PhaseDone:
			c.begunBy(d, &p.table.Slots[i])
			if p.deliver(uint32(i)) {
				gone = append(gone, uint32(i))
			}
		case mine && tasktable.PhaseOf(s) == tasktable.PhaseRunning:
			c.begunBy(d, &p.table.Slots[i])
			if p.rerun(uint32(i), d) {
				clean = false
			} else if p.deliver(uint32(i)) {
				gone = append(gone, uint32(i))
			}
		}
	}
	if !clean {
		p.resendQueued()
	}
	p.mu.Unlock()
	p.wakeLeader()
	if !p.local {
		p.table.Mem.Reclaim() // what the worker had allocated but not given away
		p.roomFreed()
	}
	p.Release(gone...)
}

// begunBy notes that the worker which has ended has begun the task.
func (c *Call) begunBy(d WorkerExit, sl *tasktable.Slot) {
	if at := sl.Began.Load(); at != 0 && c.future != nil {
		c.Began = Began{Worker: d.Name, PID: d.PID, At: time.Unix(0, at)}
	}
}

// resendQueued sends, under mu, the messages of all queued tasks again. That may take until there
// is room for them, and the worker that makes it may still have to be started by the caller: so
// another goroutine does it, one for the whole pool.
func (p *Pool) resendQueued() {
	p.lost = true
	if !p.resending {
		p.resending = true
		p.keepers.Go(p.resendLoop)
	}
}

// resendLoop sends queued tasks again until no other death has asked for it.
func (p *Pool) resendLoop() {
	for {
		var messages []uint64
		p.mu.Lock()
		if p.resending = p.lost; !p.resending {
			p.mu.Unlock()
			return
		}
		p.lost = false
		for i := range p.calls {
			if c := &p.calls[i]; c.live && !c.delayed && p.isQueued(uint32(i), c.serial) {
				messages = append(messages, tasktable.MessageOf(uint32(i), c.serial))
			}
		}
		p.mu.Unlock()
		for _, m := range messages {
			// a message sent twice is recognised by its serial number
			if p.isQueued(uint32(m), uint32(m>>32)) {
				p.resend(m)
			}
		}
	}
}

// isQueued says that the task in slot i waits for a worker.
func (p *Pool) isQueued(i, serial uint32) bool {
	return p.table.Slots[i].State.Load() == tasktable.StateOf(tasktable.PhaseQueued, 0, serial)
}

// quarantined returns the error of a task that has killed enough workers. Of a chunk it is the task
// that ran when the last of them died.
func (p *Pool) quarantined(c *Call, d WorkerExit) error {
	p.event(slog.LevelError, "task quarantined: it kills its workers", slog.String("task", c.task), slog.Int("kills", c.Kills))
	return p.options.Errors.Died(c.task, c.Kills, d)
}

// rerun queues a task again that ran when its worker died. It reports false when the task will not
// run again in this slot: it has failed, or its arguments must run one by one. p.mu is held.
func (p *Pool) rerun(i uint32, d WorkerExit) bool {
	c, sl := &p.calls[i], &p.table.Slots[i]
	if p.local {
		c.stuck = p.bridge == nil
	} else {
		c.Got = outcomeIn(sl, c.Count)
		p.dropResult(i) // the attempt that died may have left a result
	}
	c.Kills++
	limit := c.Options.Attempts
	enough := limit > 0 && c.Kills >= limit
	switch {
	case c.expired:
		c.Err = p.late(c)
	case p.alive.Err() != nil:
		c.Err = context.Cause(p.alive)
	case c.waiter == nil: // no caller will see it
		c.Err = task.ErrClosed
	case c.Count > 1:
		p.event(slog.LevelWarn, "tasks of a chunk run again one by one: their worker died", slog.String("task", c.task), slog.Int("count", c.Count))
		p.retry(c, c.Got.At) // the tasks of the chunk before the one that ran
		if c.Split = true; enough {
			c.Err = p.quarantined(c, d)
		} else {
			p.retry(c, 1)
		}
	case enough:
		c.Err = p.quarantined(c, d)
	case c.spent != nil && c.spent():
		c.Err = p.options.Errors.Died(c.task, c.Kills, d)
	default:
		p.event(slog.LevelWarn, "task runs again: its worker died", slog.String("task", c.task), slog.Int("kills", c.Kills))
		p.retry(c, 1)
		p.requeue(i) // #3 -> #2
		return true
	}
	c.serial = nextSerial(c.serial)
	sl.State.Store(tasktable.StateOf(tasktable.PhaseDone, 0, c.serial)) // #3 -> #4
	return false
}
