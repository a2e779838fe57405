package cond

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/wait"
)

// claim gives this process its cell. What a dead process had been granted in the same cell goes to
// others.
func (c *Var) claim(ctx context.Context) (*procPlace, error) {
	if err := c.lock.Lock(ctx); errors.Is(err, lock.ErrOwnerDied) {
		c.lock.TryMarkConsistent() // each step of a claim or a reclaimGrants leaves whole cells
	} else if err != nil {
		return nil, err
	}
	defer c.lock.TryUnlock() // what is in shared memory may be garbage
	if p := c.place.Load(); p != nil {
		return p, nil // another goroutine was faster
	}
	cell := c.slots.Claim(0, func(uint64) { c.redistribute() })
	if cell == nil {
		return nil, lock.ErrNoCell
	}
	for n := range c.slots.Len() {
		if c.slots.Cell(n) == cell {
			sleepers := lock.NewSwappedCount(c.party, bellBytes(c.mem, c.slots.Capacity(), n))
			sleepers.Target = c.Target
			p := &procPlace{number: n, cell: cell, sleepers: sleepers}
			c.place.Store(p)
			return p, nil
		}
	}
	return nil, lock.ErrNoCell // overwritten just now
}

// watched is how many other waiting processes a sleeper watches: those in the cells that follow its
// own, so that each process is watched by some of the others.
const watched = wait.MaxWords - 1

// look finds what no process would ring for: a broadcast that has not come to this process, and
// grants of the dead. It has watch, unless it is nil, end the sleep when a process dies that could
// be granted something.
func (c *Var) look(p *procPlace, watch *lock.Watch) {
	again := c.queue.catchUp(p.cell, c.head.broadcasts.Load())
	table := c.party.Member.Table()
	high, left := c.slots.Len(), watched
	for i := 1; i < high; i++ {
		w := c.slots.Cell((p.number + i) % high).Load()
		if waitingIn(w) == 0 && grantedIn(w) == 0 {
			continue
		}
		switch owner := lock.CellOwner(w); {
		case table.Dead(owner):
			if grantedIn(w) > 0 && !c.reclaimGrants() && watch != nil {
				watch.Look(lock.UnannouncedPoll) // another process does it, or has died doing it
			}
		case watch != nil && left > 0:
			watch.Process(owner)
			left--
		}
	}
	if again && watch != nil {
		watch.Look(0)
	}
}

// reclaimGrants gives what dead processes were granted to other waiters. It reports false when it
// could not, because another process has the lock, which may be about to do the same.
func (c *Var) reclaimGrants() bool {
	err := c.lock.TryLock()
	if errors.Is(err, lock.ErrOwnerDied) {
		c.lock.TryMarkConsistent()
	} else if err != nil {
		return false
	}
	c.redistribute()
	c.lock.TryUnlock()
	return true
}

// redistribute is reclaimGrants for a caller that has the lock.
func (c *Var) redistribute() {
	for cell, w := range c.slots.All {
		if w&lock.CellMask != 0 && c.party.Member.Table().Dead(lock.CellOwner(w)) {
			c.emptyDead(cell, w)
		}
	}
}

// emptyDead empties the cell of a dead process, which holds w. Each of its grants goes to another
// waiter first, and only then is it taken away. Without a waiter it is lost, as any notification
// is.
//
// What a death leaves behind: a grant that is given twice, so that one waiter too many returns.
func (c *Var) emptyDead(cell *atomic.Uint64, w uint64) {
	empty := w &^ lock.CellMask
	for {
		granted := min(grantedIn(w), waitingIn(w))
		next := empty | granted*(oneGrant+oneWaiter) // #4: no late notifier grants it more
		if granted > 0 && w == next {
			if !c.grant() {
				granted = 1
			}
			crashpoint.Here("cond.inherited")
			next = empty | (granted-1)*(oneGrant+oneWaiter)
		}
		if !cell.CompareAndSwap(w, next) {
			w = cell.Load() // a notifier was late, or the memory is overwritten
			if w&^lock.CellMask != empty {
				return
			}
			continue
		}
		crashpoint.Here("cond.emptied")
		if w = next; w == empty {
			return
		}
	}
}
