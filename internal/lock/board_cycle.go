package lock

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/proctab"
)

// A wait for a lock that would close a cycle of processes, each of which has a lock alone that the one before waits
// for, is found before its first sleep: after it is posted, the attempt follows holder, wait of the holder, holder
// of that, and so on. Of several processes that close a cycle together the last one to post sees all others'
// records; those that posted before may see them, too.
//
// While somebody follows it the chain changes, so that what was seen piece by piece may never have been
// there as a whole. So a cycle is looked at twice. A record that stands there unchanged on both
// occasions is a wait that went on in between, at the end of the first look, and a process whose only goroutine
// waits takes no lock meanwhile: the holders that the second look finds held their locks at that moment, all at once.

// looks is how often the search begins anew when the cycle that it found has gone.
const looks = 100

// IsExclusive reports whether a wait ends only when the one process acts that has alone what it is for.
func (r Role) IsExclusive() bool { return r == RoleLock || r == RoleRLock || r == RoleOnce }

// NeedsAll reports whether a wait goes on for as long as any of those who hold what it is for does nothing, so
// that each of them can be part of a cycle.
func (r Role) NeedsAll() bool {
	return r.IsExclusive() || r == RoleDrain || r == RoleBarrier || r == RoleWaitGroup
}

// cycle returns the chain of waits from this process's wait for s back to this process; nil when there is none. The
// first is this process's own, whose time is not known; what each waits for the next one holds.
func (b *Board) cycle(s Subject) []Posting {
	if b == nil || s == 0 {
		return nil
	}
	defer runtime.KeepAlive(b)
	for range looks {
		c := chase{b: b}
		if !c.follow(Posting{Owner: b.me, Subject: s}) {
			return nil
		}
		if c.stands() {
			return c.path
		}
	}
	return nil
}

// A chase is one search for a way back to this process.
type chase struct {
	b    *Board
	path []Posting
	at   []int                         // the record of each in the path
	seen [proctab.MaxSlots / 64]uint64 // bit n: slot n is in the path, or leads nowhere
}

// follow reports whether the wait p is part of a way back, which is in the path then. Each process is
// visited once, whatever the board says.
func (c *chase) follow(p Posting) bool {
	c.path = append(c.path, p)
	holder := c.b.holder(p.Subject)
	if holder == c.b.me && len(c.path) > 1 { // a process that waits for itself may have a goroutine that unlocks
		return true
	}
	if c.visit(holder) {
		r := &c.b.rows[holder.Slot()]
		for i := range r.records {
			next, ok := r.read(i, holder)
			if !ok || !next.Subject.Role().IsExclusive() {
				continue
			}
			c.at = append(c.at, i)
			if c.follow(next) {
				return true
			}
			c.at = c.at[:len(c.at)-1]
		}
	}
	c.path = c.path[:len(c.path)-1]
	return false
}

// visit reports whether o is a living process other than this one that was not visited before.
func (c *chase) visit(o proctab.Owner) bool {
	if o == c.b.me || o.Slot() >= len(c.b.rows) || !c.b.owns(o, o.Slot()) {
		return false
	}
	word, bit := &c.seen[o.Slot()/64], uint64(1)<<(o.Slot()%64)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}

// stands reports whether the cycle in the path is still what the board and the locks say. Each holder is looked
// at before its record.
func (c *chase) stands() bool {
	for i, p := range c.path {
		last := i+1 == len(c.path)
		next := Posting{Owner: c.b.me}
		if !last {
			next = c.path[i+1]
		}
		if c.b.holder(p.Subject) != next.Owner {
			return false
		}
		if last {
			break
		}
		if again, ok := c.b.rows[next.Owner.Slot()].read(c.at[i], next.Owner); !ok || again != next {
			return false
		}
	}
	return true
}
