package parent

import (
	"slices"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// AcquireSlots gives the caller up to want slots, appended to slots. Waiters that have waited
// longer come first. If there is none and wait is true, since the waiter has nothing else to wait
// for, it is woken when there is one.
func (p *Pool) AcquireSlots(w *Waiter, slots []uint32, want int, wait bool) []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := slices.Index(p.slotWaiters, w)
	listed := before >= 0
	if !listed {
		before = len(p.slotWaiters)
	}
	n := max(0, min(want, len(p.free)-before))
	slots = append(slots, p.free[len(p.free)-n:]...)
	p.free = p.free[:len(p.free)-n]
	switch {
	case n == 0 && wait && !listed:
		p.slotWaiters = append(p.slotWaiters, w)
	case n > 0 && listed:
		p.unlistSlotWaiter(w)
	}
	return slots
}

// CancelSlotWait notes that a waiter does not wait for a slot any more. A slot that it was
// woken for goes to the next waiter.
func (p *Pool) CancelSlotWait(w *Waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unlistSlotWaiter(w)
}

// unlist takes a waiter off the list, under mu.
func (p *Pool) unlistSlotWaiter(w *Waiter) {
	p.slotWaiters = slices.DeleteFunc(p.slotWaiters, func(h *Waiter) bool { return h == w })
	p.wakeSlotWaiters()
}

// wakeSlotWaiters wakes as many waiters for slots as there are slots. They leave the list when they
// have one. p.mu is held.
func (p *Pool) wakeSlotWaiters() {
	for _, w := range p.slotWaiters[:min(len(p.slotWaiters), len(p.free))] {
		p.Wake(w)
	}
}

// Release frees the blocks of slots and the slots themselves.
func (p *Pool) Release(slots ...uint32) {
	if p.local {
		if slots = p.withoutStuck(slots); len(slots) == 0 {
			return
		}
	}
	freed := false
	for _, i := range slots {
		c := &p.calls[i]
		freed = freed || c.Arg.Off != 0 || c.Got.Block.Off != 0
		p.dropArg(i)
		p.dropResult(i)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range slots {
		c := &p.calls[i]
		p.table.Slots[i].State.Store(tasktable.StateOf(tasktable.PhaseFree, 0, c.serial))
		if c.owed {
			p.settled(c)
		}
		*c = Call{serial: c.serial}
		p.free = append(p.free, i)
	}
	p.wakeSlotWaiters()
	if freed && p.room.short.Load() {
		p.provide(false)
	}
}

// dropArg frees the block of the argument in slot i, if there is one.
func (p *Pool) dropArg(i uint32) {
	if b := &p.calls[i].Arg; b.Off != 0 {
		p.table.FreeBlock(b.Off, 0)
		p.room.args.Add(-int64(b.Size))
		b.Off = 0
	}
}

// dropResult frees the block of the result in slot i, if there is one. A worker that died before it
// gave it away has not given it for this slot, so that nothing is freed here even if the block is
// another one by now.
func (p *Pool) dropResult(i uint32) {
	b := &p.calls[i].Got.Block
	if b.Off == 0 {
		return
	}
	if p.local {
		p.table.FreeBlock(b.Off, 0)
	} else {
		p.table.FreeBlock(b.Off, i+1)
	}
	b.Off = 0
}
