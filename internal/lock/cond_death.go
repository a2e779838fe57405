package lock

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/wait"
)

// claim gives this process its seat. What a dead process had been granted in the same seat goes to others.
func (c *Cond) claim(ctx context.Context) (*condPlace, error) {
	if err := c.lock.Lock(ctx); errors.Is(err, ErrOwnerDied) {
		c.lock.TryMarkConsistent() // each step of a claim or a rescue leaves whole seats
	} else if err != nil {
		return nil, err
	}
	defer c.lock.TryUnlock() // what is in shared memory may be garbage
	if p := c.place.Load(); p != nil {
		return p, nil // another goroutine was faster
	}
	seat := c.seats.claim(0, func(uint64) { c.redistribute() })
	if seat == nil {
		return nil, ErrNoSeat
	}
	for n := range c.seats.len() {
		if c.seats.seat(n) == seat {
			sleepers := newSwappedCount(c.party, condBell(c.mem, len(c.seats.seats), n))
			sleepers.Target = c.Target
			p := &condPlace{number: n, seat: seat, sleepers: sleepers}
			c.place.Store(p)
			return p, nil
		}
	}
	return nil, ErrNoSeat // overwritten just now
}

// watched is how many other waiting processes a sleeper watches: those in the seats that follow its own, so that each
// process is watched by some of the others.
const watched = wait.MaxWords - 1

// look finds what nobody would ring for: a broadcast that has not come to this process, and grants of the dead. It has watch,
// unless it is nil, end the sleep when a process dies that could be granted something.
func (c *Cond) look(p *condPlace, watch *Watch) {
	again := c.queue.catchUp(p.seat, c.head.storms.Load())
	table := c.party.Member.Table()
	high, left := c.seats.len(), watched
	for i := 1; i < high; i++ {
		w := c.seats.seat((p.number + i) % high).Load()
		if waitingIn(w) == 0 && grantedIn(w) == 0 {
			continue
		}
		switch owner := ownerOfSeat(w); {
		case table.Dead(owner):
			if grantedIn(w) > 0 && !c.rescue() && watch != nil {
				watch.Look(silentLook) // somebody else does it, or has died doing it
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

// rescue gives what dead processes were granted to other waiters. It reports false when it could not,
// because another one has the lock, such as one who is about to do the same.
func (c *Cond) rescue() bool {
	err := c.lock.TryLock()
	if errors.Is(err, ErrOwnerDied) {
		c.lock.TryMarkConsistent()
	} else if err != nil {
		return false
	}
	c.redistribute()
	c.lock.TryUnlock()
	return true
}

// redistribute is rescue for one who has the lock.
func (c *Cond) redistribute() {
	for seat, w := range c.seats.all {
		if w&seatMask != 0 && c.party.Member.Table().Dead(ownerOfSeat(w)) {
			c.inherit(seat, w)
		}
	}
}

// inherit empties the seat of a dead process, which holds w. Each of its grants goes to another waiter first, and only
// then is it taken away. When nobody waits, it is lost as with any notification.
//
// What a death leaves behind: a grant that is given twice, so that one waiter too many returns.
func (c *Cond) inherit(seat *atomic.Uint64, w uint64) {
	empty := w &^ seatMask
	for {
		granted := min(grantedIn(w), waitingIn(w))
		next := empty | granted*(oneGrant+oneWaiter) // #4: nobody who is late grants it more
		if granted > 0 && w == next {
			if !c.grant() {
				granted = 1
			}
			crashpoint.Here("cond.inherited")
			next = empty | (granted-1)*(oneGrant+oneWaiter)
		}
		if !seat.CompareAndSwap(w, next) {
			w = seat.Load() // somebody was late, or the memory is overwritten
			if w&^seatMask != empty {
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
