package parent

import (
	"bytes"
	"log/slog"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// This file moves blocks to the parent's own memory: the last resort of waiters for room, see
// room.go.

// allocMoving allocates n bytes, under mu, and moves what can be moved until there is room.
//
// Errors: those of the last attempt.
func (p *Pool) allocMoving(n int) (off uint64, err error) {
	alloc := func(freed int) bool {
		if freed < n {
			return false
		}
		off, _, err = p.table.Mem.AllocDirty(n)
		return !tasktable.MustWait(err)
	}
	if p.moveResults(alloc) || p.moveArgs(p.isUnbegun, alloc) || p.moveArgs(p.hasReturned, alloc) {
		return off, err
	}
	off, _, err = p.table.Mem.AllocDirty(n) // what was freed in all, and by others
	return off, err
}

// moveResults moves results that were not taken, and their arguments, under mu, until enough says
// so. It reports whether that was so.
func (p *Pool) moveResults(enough func(freed int) bool) bool {
	freed := 0
	for i := range p.calls {
		c := &p.calls[i]
		if !c.listed {
			continue
		}
		freed += p.moveArg(uint32(i))
		if n := c.Got.Block.outside(); n > 0 {
			b, err := p.table.Mem.Bytes(c.Got.Block.Off, n)
			if err != nil {
				continue // its caller will see
			}
			c.Got.moved = bytes.Clone(b)
			freed += n
			p.dropResult(uint32(i))
			p.event(slog.LevelDebug, "result moved: memory is short", slog.String("task", c.task), slog.Int("bytes", n))
		}
		if enough(freed) {
			return true
		}
	}
	return false
}

// moveArgs moves arguments of tasks that are live, under mu, until enough says so. It reports
// whether that was so.
func (p *Pool) moveArgs(which func(i uint32) bool, enough func(freed int) bool) bool {
	freed := 0
	for i := range p.calls {
		if c := &p.calls[i]; !c.live || c.Arg.Off == 0 || c.spent != nil || !which(uint32(i)) {
			continue
		}
		freed += p.moveArg(uint32(i))
		if enough(freed) {
			return true
		}
	}
	return false
}

// moveArg moves the argument in slot i, under mu, and returns how many bytes of shared memory that
// has freed.
func (p *Pool) moveArg(i uint32) (freed int) {
	c := &p.calls[i]
	freed = c.Arg.outside()
	if freed == 0 || c.spent != nil {
		return 0
	}
	if c.live || c.Split || c.Options.Retry != nil { // other arguments are not needed any more
		b, err := p.table.Mem.Bytes(c.Arg.Off, freed)
		if err != nil {
			p.fail(err) // it was this process that put it there
			return 0
		}
		c.moved = bytes.Clone(b)
		p.event(slog.LevelDebug, "argument moved: memory is short", slog.String("task", c.task), slog.Int("bytes", freed))
	}
	p.dropArg(i)
	return freed
}

// isUnbegun takes back the task in slot i, under mu, if no worker has begun it.
func (p *Pool) isUnbegun(i uint32) bool {
	c := &p.calls[i]
	if c.delayed {
		return !c.homeless // a call without memory has no argument here
	}
	// #2 -> #1
	if !p.table.Slots[i].State.CompareAndSwap(tasktable.StateOf(tasktable.PhaseQueued, 0, c.serial), tasktable.StateOf(tasktable.PhaseFree, 0, c.serial)) {
		return false
	}
	p.work--
	c.delayed = true
	p.queueHomeless(i)
	return true
}

// hasReturned says, under mu, that the task in slot i has returned, and that its worker waits for
// room for the result: then the argument is needed only if the worker dies. An engine that waits
// for room has a copy of the arguments of all its tasks.
func (p *Pool) hasReturned(i uint32) bool {
	s := p.table.Slots[i].State.Load()
	if tasktable.PhaseOf(s) != tasktable.PhaseRunning || tasktable.SerialOf(s) != p.calls[i].serial {
		return false
	}
	if p.bridge != nil && !p.bridge.has(i) {
		return false
	}
	for _, c := range p.room.workers {
		if c.owner() == tasktable.WorkerOf(s) && c.record.Room.Load()&tasktable.RoomAsks != 0 {
			return true
		}
	}
	return false
}

// queueHomeless has the argument of the task in slot i, which is delayed, wait to come back, under
// mu.
func (p *Pool) queueHomeless(i uint32) {
	p.calls[i].homeless = true
	p.room.homeless = append(p.room.homeless, i)
	p.runShort()
}

// bringBack puts an argument that was moved into shared memory again, under mu, and queues its
// task. It reports false when there is no room. As the last resort it makes some: otherwise results
// that no caller takes could keep the argument out for ever.
func (p *Pool) bringBack(i uint32, lastResort bool) bool {
	c := &p.calls[i]
	if !c.homeless {
		return true // withdrawn
	}
	n := len(c.moved)
	off, mem, err := p.table.Mem.AllocDirty(n)
	if tasktable.LacksRoom(err) && lastResort {
		p.moveResults(func(freed int) bool {
			if freed >= n {
				off, mem, err = p.table.Mem.AllocDirty(n)
			}
			return !tasktable.LacksRoom(err)
		})
	}
	if tasktable.MustWait(err) {
		return false
	}
	if err != nil {
		p.end(err)
		return true
	}
	copy(mem, c.moved)
	c.Arg, c.moved, c.homeless = Block{off, len(c.moved)}, nil, false
	p.table.Slots[i].Arg, p.table.Slots[i].ArgLen = off, uint32(c.Arg.Size)
	p.room.args.Add(int64(c.Arg.Size))
	p.enqueue(i)
	p.workers.wakeIdle()
	p.resendQueued()
	return true
}

// requeue queues a task again, under mu, or has it wait until its argument is back. It reports
// whether its message is to be sent.
func (p *Pool) requeue(i uint32) bool {
	c := &p.calls[i]
	if c.moved == nil {
		p.enqueue(i)
		return true
	}
	if c.live && !c.delayed {
		p.work--
	}
	c.live, c.delayed = true, true
	p.table.Slots[i].State.Store(tasktable.StateOf(tasktable.PhaseFree, 0, c.serial))
	p.queueHomeless(i)
	p.provide(false)
	return false
}

// Argument is what the tasks in slot i were given.
func (p *Pool) Argument(i uint32) ([]byte, error) {
	c, sl := &p.calls[i], &p.table.Slots[i]
	if c.moved != nil {
		return c.moved, nil
	}
	return p.table.Bytes(c.Arg.Off, c.Arg.Size, sl.Args[:])
}
