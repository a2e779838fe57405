package pool

import (
	"slices"
)

// grab gives the caller up to want slots, appended to slots. If there is none and the waiter has nothing else to wait for, it
// is woken when there may be some.
func (p *Pool) grab(w *waiter, slots []uint32, want int, hungry bool) []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(want, len(p.free))
	switch {
	case n == 0 && hungry && !slices.Contains(p.hungry, w):
		p.hungry = append(p.hungry, w)
	case n > 0 && len(p.hungry) > 0:
		p.unlist(w)
	}
	slots = append(slots, p.free[len(p.free)-n:]...)
	p.free = p.free[:len(p.free)-n]
	return slots
}

// sate notes that a waiter does not wait for a slot any more. What it was woken for is the next one's.
func (p *Pool) sate(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unlist(w)
	if len(p.free) > 0 && len(p.hungry) > 0 {
		p.rouse(p.hungry[0])
	}
}

func (p *Pool) unlist(w *waiter) {
	p.hungry = slices.DeleteFunc(p.hungry, func(h *waiter) bool { return h == w })
}

// release frees the blocks of slots and the slots themselves.
func (p *Pool) release(slots ...uint32) {
	if p.local {
		if slots = p.withoutStuck(slots); len(slots) == 0 {
			return
		}
	}
	for _, i := range slots {
		p.dropArg(i)
		p.dropResult(i)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range slots {
		sl := &p.slots[i]
		sl.state.Store(stateOf(phaseFree, 0, serialOf(sl.state.Load())))
		if p.calls[i].owed {
			p.settled()
		}
		p.calls[i] = call{}
		p.free = append(p.free, i)
	}
	for _, w := range p.hungry[:min(len(p.hungry), len(p.free))] {
		p.rouse(w) // it leaves the list when it has got a slot
	}
}

// dropArg frees the block of the argument in slot i, if there is one.
func (p *Pool) dropArg(i uint32) {
	if sl := &p.slots[i]; sl.arg != 0 {
		p.s.Free(sl.arg)
		sl.arg = 0
	}
}

// dropResult frees the block of the result in slot i, if there is one. A worker that died before it gave it away has not
// given it for this slot, so that nothing is freed here even if the block is another one by now.
func (p *Pool) dropResult(i uint32) {
	sl := &p.slots[i]
	if sl.result == 0 {
		return
	}
	if p.local {
		p.s.Free(sl.result)
	} else {
		p.s.FreeGiven(sl.result, i+1)
	}
	sl.result = 0
}
