package pool

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/process"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A group is the tasks of one call of Map and the like. Its slots come to ready as
// their results do; the caller takes them in its own goroutine.
type group struct {
	ready chan uint32 // slots with results; has room for all of them
}

// A call is what the parent knows of the task in a slot. Guarded by Pool.mu.
type call struct {
	group  *group // nil: the caller has gone
	index  int    // of the argument
	task   string
	serial uint32 // of the current attempt
	kills  int    // workers that died while they ran it
	live   bool   // queued or running
	err    error  // instead of a result
}

// A death is how a worker ended.
type death struct {
	pid    int
	exit   process.Exit
	stderr string
}

// submit sends the task in slot i, whose argument is in place, to the workers.
func (p *Pool) submit(ctx context.Context, g *group, index int, name string, id uint64, i uint32) error {
	sl := &p.slots[i]
	serial := serialOf(sl.state.Load()) + 1
	sl.task, sl.kind, sl.result, sl.resultLen = id, 0, 0, 0
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		p.release(i)
		return ErrClosed
	}
	p.calls[i] = call{group: g, index: index, task: name, serial: serial, live: true}
	p.pending++
	p.mu.Unlock()
	// SYNC: task: the argument is visible to the worker that takes the slot.
	sl.state.Store(stateOf(phaseQueued, 0, serial)) // #1 -> #2
	crashpoint.Here("pool.queued")
	if err := p.todo.Put(ctx, messageOf(i, serial)); err != nil {
		if p.withdraw(i, serial) {
			return err
		}
	}
	return nil
}

// finish hands the result in slot i to whoever waits for it. A message that is late
// or doubled is recognised by its serial number and by what is no longer live.
func (p *Pool) finish(i, serial uint32) {
	if int(i) >= len(p.slots) {
		return
	}
	p.mu.Lock()
	c := &p.calls[i]
	s := p.slots[i].state.Load()
	if !c.live || c.serial != serial || phaseOf(s) != phaseDone || serialOf(s) != serial {
		p.mu.Unlock()
		return
	}
	gone := p.deliver(i)
	p.mu.Unlock()
	if gone {
		p.release(i)
	}
}

// deliver ends the task in slot i, under mu, and reports whether nobody waits for its result.
func (p *Pool) deliver(i uint32) (gone bool) {
	c := &p.calls[i]
	c.live = false
	if p.pending--; p.pending == 0 {
		close(p.idle)
		p.idle = make(chan struct{})
	}
	if c.group == nil {
		return true
	}
	c.group.ready <- i
	return false
}

// withdraw takes back a task that no worker has begun, and reports whether it could.
func (p *Pool) withdraw(i, serial uint32) bool {
	p.mu.Lock()
	c := &p.calls[i]
	ok := c.live && c.serial == serial &&
		p.slots[i].state.CompareAndSwap(stateOf(phaseQueued, 0, serial), stateOf(phaseFree, 0, serial)) // #2 -> #1
	if ok {
		c.group = nil
		p.deliver(i)
	}
	p.mu.Unlock()
	if ok {
		p.release(i)
	}
	return ok
}

// abandon lets go of all tasks of a group: those that wait are withdrawn, results
// of the others are thrown away when they come.
func (p *Pool) abandon(g *group) {
	var free []uint32
	live := map[uint32]uint32{} // slot to serial
	p.mu.Lock()
	for i := range p.calls {
		if c := &p.calls[i]; c.group == g {
			c.group = nil
			if c.live {
				live[uint32(i)] = c.serial
			} else {
				free = append(free, uint32(i)) // its result is in ready, where nobody will look
			}
		}
	}
	p.mu.Unlock()
	for i, serial := range live {
		p.withdraw(i, serial)
	}
	for _, i := range free {
		p.release(i)
	}
}

// release frees the blocks of slot i and the slot itself.
func (p *Pool) release(i uint32) {
	sl := &p.slots[i]
	for _, block := range [...]uint64{sl.arg, sl.result} {
		if block != 0 {
			p.s.Free(block) // not ours if its worker died before it gave it away: see bury
		}
	}
	sl.arg, sl.result = 0, 0
	sl.state.Store(stateOf(phaseFree, 0, serialOf(sl.state.Load())))
	p.mu.Lock()
	p.calls[i] = call{}
	p.mu.Unlock()
	p.free <- i
}

// bury looks after the tasks of a dead worker: results that are complete are
// delivered, tasks that it was running are tried again or fail, and messages that it may have
// swallowed are sent again. Worker 0 died before it had an owner id.
func (p *Pool) bury(worker proctab.Owner, d death) {
	var again, gone []uint32
	p.mu.Lock()
	for i := range p.calls {
		c := &p.calls[i]
		if !c.live {
			continue
		}
		s := p.slots[i].state.Load()
		mine := worker != 0 && workerOf(s) == worker && serialOf(s) == c.serial
		switch {
		case phaseOf(s) == phaseQueued:
			again = append(again, uint32(i))
		case mine && phaseOf(s) == phaseDone:
			if p.deliver(uint32(i)) {
				gone = append(gone, uint32(i))
			}
		case mine && phaseOf(s) == phaseRunning:
			if p.retry(uint32(i), d) {
				again = append(again, uint32(i))
			} else if p.deliver(uint32(i)) {
				gone = append(gone, uint32(i))
			}
		}
	}
	p.mu.Unlock()
	p.s.Reclaim() // what the worker had allocated but not given away
	for _, i := range gone {
		p.release(i)
	}
	for _, i := range again {
		p.mu.Lock()
		serial, live := p.calls[i].serial, p.calls[i].live
		p.mu.Unlock()
		if live {
			p.resend(messageOf(i, serial))
		}
	}
}

// retry queues a task whose worker died while it ran, under mu. It reports false,
// and makes the task fail, when that has happened too often.
func (p *Pool) retry(i uint32, d death) bool {
	c, sl := &p.calls[i], &p.slots[i]
	if sl.result != 0 {
		p.s.Free(sl.result) // of the attempt that died; see release
		sl.result = 0
	}
	c.kills++
	c.serial++
	again := c.group != nil && (p.options.Attempts < 0 || c.kills < p.options.Attempts)
	if !again {
		c.err = &WorkerDiedError{
			Task: c.task, Attempts: c.kills, PID: d.pid, ExitCode: d.exit.Code, Signal: d.exit.Signal, Stderr: d.stderr,
		}
		sl.state.Store(stateOf(phaseDone, 0, c.serial)) // #3 -> #4
		return false
	}
	sl.state.Store(stateOf(phaseQueued, 0, c.serial)) // #3 -> #2
	return true
}

// resend puts a message that may be lost. It may wait for room, which the workers make.
func (p *Pool) resend(message uint64) {
	if err := p.todo.Put(p.alive, message); err != nil && p.alive.Err() == nil {
		p.end(fmt.Errorf("pool: send a task again: %w", err))
	}
}
