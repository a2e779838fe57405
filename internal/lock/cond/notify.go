package cond

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
)

// Notify lets up to n waiters go that have not been notified yet, processes in turn.
func (c *Var) Notify(n int) {
	defer runtime.KeepAlive(c)
	if c.party.Closer.Closed() {
		return
	}
	c.shadow.ReleaseMerge()
	for ; n > 0 && c.grant(); n-- {
	}
}

// grant lets one waiter go, of the process that has the turn. It reports false when there is no
// waiter.
//
// What a death leaves behind: before the CAS in notify, nothing. After it, a grant that the
// waiter's process sees within the backstop, and a turn that is not moved on.
func (c *Var) grant() bool {
	high := c.slots.Len()
	if high == 0 {
		return false
	}
	for i, n := 0, int(c.head.next.Load()%uint32(high)); i < high; i++ {
		if n == high {
			n = 0
		}
		if c.notify(n, 1) {
			c.head.next.Store(uint32(n + 1))
			crashpoint.Here("cond.turned")
			return true
		}
		n++
	}
	return false
}

// notify lets up to most waiters of the process in cell n go, and reports whether there was one.
func (c *Var) notify(n int, most uint64) bool {
	cell := c.slots.Cell(n)
	for {
		w := cell.Load()
		if w&lock.CellMask == 0 {
			return false
		}
		if c.party.Member.Table().Dead(lock.CellOwner(w)) {
			if grantedIn(w) > 0 {
				c.reclaimGrants()
			}
			return false
		}
		more := min(unnotified(w), most)
		if more == 0 {
			return false
		}
		// SYNC: cond: what was done before the notification is visible to the waiter that finds the
		// grant.
		if cell.CompareAndSwap(w, w+more*oneGrant) { // #2, #3 -> #3, #4
			crashpoint.Here("cond.granted")
			break
		}
	}
	if b := c.bell(n); b.Armed() {
		b.Ring(lock.AllSleepers) // its leader: see lock.EventCount.NotifyAll
	}
	return true
}

// Broadcast lets all waiters go.
//
// It has a number, and a waiter remembers the last one before it came. So when the broadcaster dies
// in the middle, those that it has not come to know that they are meant.
func (c *Var) Broadcast() {
	defer runtime.KeepAlive(c)
	if c.party.Closer.Closed() {
		return
	}
	c.shadow.ReleaseMerge()
	announced := false
	for n := range c.slots.Len() {
		if !announced && unnotified(c.slots.Cell(n).Load()) > 0 {
			// SYNC: broadcast: each waiter of now sees from here on that it may return.
			c.head.broadcasts.Add(1)
			crashpoint.Here("cond.storm")
			announced = true
		}
		c.notify(n, maxWaiters)
	}
}

// Waiting is how many goroutines of living processes wait and were not notified yet.
func (c *Var) Waiting() int {
	total := uint64(0)
	for _, w := range c.slots.All {
		if more := unnotified(w); more > 0 && !c.party.Member.Table().Dead(lock.CellOwner(w)) {
			total += more
		}
	}
	runtime.KeepAlive(c)
	return int(total)
}

// bell is what the leader of the process in cell n sleeps on.
func (c *Var) bell(n int) *lock.EventRegion {
	return lock.EventRegionIn(bellBytes(c.mem, c.slots.Capacity(), n))
}
