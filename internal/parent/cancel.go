package parent

import (
	"log/slog"
	"time"

	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// withdraw takes back a task that no worker has begun. It reports whether it could.
func (p *Pool) withdraw(i, serial uint32) bool {
	p.mu.Lock()
	c := &p.calls[i]
	ok := c.live && c.serial == serial && (c.delayed ||
		// #2 -> #1
		p.table.Slots[i].State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseQueued, 0, serial), tasktable.StateOf(tasktable.PhaseFree, 0, serial)))
	if ok {
		if !c.delayed {
			p.work--
		}
		c.live, c.delayed, c.Err = false, false, task.ErrClosed
		p.settled(c)
	}
	p.mu.Unlock()
	if ok {
		p.Release(i)
	}
	return ok
}

// Abandon lets go of all tasks of a waiter: those that wait are withdrawn, the contexts of those
// that run end, and results are thrown away when they come.
func (p *Pool) Abandon(w *Waiter) {
	var live, ready []uint32
	p.mu.Lock()
	for i := range p.calls {
		c := &p.calls[i]
		switch {
		case !c.out || c.waiter != w:
		case c.live:
			live = append(live, uint32(i))
		default:
			ready = append(ready, uint32(i)) // its result has come, and no caller will look at it
		}
	}
	w.ready = w.ready[:0]
	p.mu.Unlock()
	p.Cancel(live...)
	p.Release(ready...)
}

// Cancel lets go of tasks that are live.
func (p *Pool) Cancel(slots ...uint32) {
	for _, i := range slots {
		p.mu.Lock()
		c := &p.calls[i]
		if !c.live {
			p.mu.Unlock()
			p.Release(i)
			continue
		}
		serial := c.forget()
		p.mu.Unlock()
		p.interrupt(i, serial)
	}
}

// forget notes that no caller waits for a live call any more. p.mu is held.
func (c *Call) forget() (serial uint32) {
	c.waiter, c.future = nil, nil
	return c.serial
}

// interrupt withdraws the task in slot i, or ends its context if it runs. It may come too late.
func (p *Pool) interrupt(i, serial uint32) {
	if p.withdraw(i, serial) {
		return
	}
	sl := &p.table.Slots[i]
	p.mu.Lock()
	deaf := time.Duration(0)
	if c := &p.calls[i]; c.live && c.serial == serial {
		sl.Cancel.Store(serial)
		deaf = c.Options.Deaf
	}
	p.mu.Unlock()
	s := sl.State.Load()
	running := tasktable.PhaseOf(s) == tasktable.PhaseRunning && tasktable.SerialOf(s) == serial
	if p.bridge != nil { // the pool that runs the task looks after Deaf
		if running {
			p.bridge.engine.Cancel(tasktable.MessageOf(i, serial))
		}
		return
	}
	if running {
		p.workers.interrupt(tasktable.WorkerOf(s))
	}
	if deaf > 0 {
		time.AfterFunc(deaf, func() { p.killDeaf(i, serial) })
	}
}

// killDeaf kills the worker of the task in slot i if the task still runs. Its caller has gone.
func (p *Pool) killDeaf(i, serial uint32) {
	p.mu.Lock()
	c := &p.calls[i]
	s := p.table.Slots[i].State.Load()
	ok := c.live && c.serial == serial && tasktable.PhaseOf(s) == tasktable.PhaseRunning && tasktable.SerialOf(s) == serial && p.alive.Err() == nil
	if ok {
		p.event(slog.LevelWarn, "worker killed: its task goes on without a caller",
			slog.String("worker", p.workers.nameOf(tasktable.WorkerOf(s))), slog.String("task", c.task), slog.Duration("limit", c.Options.Deaf))
		if p.local {
			ok = p.leaveBehind(i, s)
		}
	}
	p.mu.Unlock()
	if ok {
		p.workers.kill(tasktable.WorkerOf(s))
	}
}

// drop fails all tasks that no worker has begun.
func (p *Pool) drop() {
	var gone []uint32
	p.mu.Lock()
	p.dropping.Store(true)
	for i := range p.calls {
		c := &p.calls[i]
		next := nextSerial(c.serial)
		switch {
		case !c.live:
			continue
		case c.delayed:
			p.table.Slots[i].State.Store(tasktable.StateOf(tasktable.PhaseDone, 0, next))
			p.work++ // deliver takes it off
		// #2 -> #4
		case !p.table.Slots[i].State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseQueued, 0, c.serial), tasktable.StateOf(tasktable.PhaseDone, 0, next)):
			continue
		}
		c.serial, c.delayed, c.homeless, c.Err = next, false, false, task.ErrClosed
		if p.deliver(uint32(i)) {
			gone = append(gone, uint32(i))
		}
	}
	p.mu.Unlock()
	p.wakeLeader()
	p.Release(gone...)
	if p.bridge != nil {
		p.bridge.drop()
	}
}
