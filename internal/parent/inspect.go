package parent

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// What tests ask of a pool, and do to it.

// Leftovers says which blocks of shared memory an idle pool still has.
func (p *Pool) Leftovers() error {
	p.table.FreeUnfreed()
	if err := p.table.Mem.Reclaim(); err != nil {
		return err
	}
	r, err := p.table.Mem.Check()
	if err == nil && r.Blocks != 0 {
		err = fmt.Errorf("%d blocks are left", r.Blocks)
	}
	return err
}

// LostSlots reports whether an idle pool has slots that were not given back, or are free twice.
func (p *Pool) LostSlots() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[uint32]bool{}
	for _, i := range p.free {
		seen[i] = true
	}
	if len(p.free) != len(p.table.Slots) || len(seen) != len(p.table.Slots) {
		return fmt.Errorf("%d slots are free, %d of them once, of %d", len(p.free), len(seen), len(p.table.Slots))
	}
	return nil
}

// Table is what the pool shares with its workers.
func (p *Pool) Table() *tasktable.Table { return p.table }

// Lack is how many are waiting for something that a pool is short of.
type Lack struct {
	Slots   int // callers that wait for a slot
	Callers int // callers that wait for room for an argument
	Workers int // workers that wait for room for a result
}

// Lacking counts what waits for slots and for room.
func (p *Pool) Lacking() Lack {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := Lack{Slots: len(p.slotWaiters), Callers: len(p.room.callers)}
	for _, c := range p.workers.children {
		if c.record.Room.Load()&tasktable.RoomAsks != 0 {
			l.Workers++
		}
	}
	return l
}

// Asleep says whether worker number n has ended because it had nothing to do.
func (p *Pool) Asleep(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers.children[n].asleep
}

// Unread counts the results that have come and that no waiter has taken, after a look at the queue.
func (p *Pool) Unread() (n int) {
	p.collectReady()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.calls {
		if p.calls[i].listed {
			n++
		}
	}
	return n
}

// SetSerials has the next attempt in each slot of an idle pool be the one after that of that
// number.
func (p *Pool) SetSerials(serial uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.calls {
		p.calls[i].serial = serial
	}
}

// TakeRoomOfUnbegun moves the arguments that no worker has begun out of shared memory, and takes n
// bytes of it in the same moment, until FreeRoom.
func (p *Pool) TakeRoomOfUnbegun(n int) (off uint64, moved bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	moved = p.moveArgs(p.isUnbegun, func(int) bool { return true })
	off, _, err = p.table.Mem.AllocDirty(n)
	return off, moved, err
}

// FreeRoom gives back what TakeRoomOfUnbegun has taken.
func (p *Pool) FreeRoom(off uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table.FreeBlock(off, 0)
}

// EndBy ends the pool as the end of its context with that cause does.
func (p *Pool) EndBy(cause error) { p.end(cause) }

// FailBy ends the pool as a fault of its own does.
func (p *Pool) FailBy(err error) { p.fail(err) }
