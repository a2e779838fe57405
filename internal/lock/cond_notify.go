package lock

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Notify lets up to n waiters go that have not been notified yet, processes in turn.
func (c *Cond) Notify(n int) {
	defer runtime.KeepAlive(c)
	if c.party.Closer.Closed() {
		return
	}
	c.shadow.ReleaseMerge()
	for ; n > 0 && c.grant(); n-- {
	}
}

// grant lets one waiter go, of the process whose turn it is. It reports false when nobody waits.
//
// What a death leaves behind: before the CAS in notify, nothing. After it, a grant that the waiter's process
// sees within the backstop, and a turn that is not moved on.
func (c *Cond) grant() bool {
	high := c.seats.len()
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

// notify lets up to most waiters of the process in seat n go, and reports whether there was one.
func (c *Cond) notify(n int, most uint64) bool {
	seat := c.seats.seat(n)
	for {
		w := seat.Load()
		if w&seatMask == 0 {
			return false
		}
		if c.party.Member.Table().Dead(ownerOfSeat(w)) {
			if grantedIn(w) > 0 {
				c.rescue()
			}
			return false
		}
		more := min(unnotified(w), most)
		if more == 0 {
			return false
		}
		// SYNC: cond: what was done before the notification is visible to the waiter that finds the grant.
		if seat.CompareAndSwap(w, w+more*oneGrant) { // #2, #3 -> #3, #4
			crashpoint.Here("cond.granted")
			break
		}
	}
	if b := c.bell(n); b.isArmed() {
		b.ring(1) // its leader
	}
	return true
}

// Broadcast lets all waiters go.
//
// It has a number, and a waiter remembers the last one before it came. So when the broadcaster dies
// in the middle, those that it has not come to know that they are meant.
func (c *Cond) Broadcast() {
	defer runtime.KeepAlive(c)
	if c.party.Closer.Closed() {
		return
	}
	c.shadow.ReleaseMerge()
	announced := false
	for n := range c.seats.len() {
		if !announced && unnotified(c.seats.seat(n).Load()) > 0 {
			// SYNC: storm: whoever waits now sees from here on that it may return.
			c.head.storms.Add(1)
			crashpoint.Here("cond.storm")
			announced = true
		}
		c.notify(n, condMost)
	}
}

// Waiting is how many goroutines of living processes wait and were not notified yet.
func (c *Cond) Waiting() int {
	total := uint64(0)
	for _, w := range c.seats.all {
		if more := unnotified(w); more > 0 && !c.party.Member.Table().Dead(ownerOfSeat(w)) {
			total += more
		}
	}
	runtime.KeepAlive(c)
	return int(total)
}

// bell is what the leader of the process in seat n sleeps on.
func (c *Cond) bell(n int) *bell {
	return &eventIn(condBell(c.mem, len(c.seats.seats), n)).bell
}
