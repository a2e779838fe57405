package lock

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/proctab"
)

// A wait for a lock that would close a cycle of processes, each of which has a lock alone that the
// one before waits for, is found before its first sleep: after it is listed, the attempt follows
// holder, wait of the holder, holder of that, and so on. Of several processes that close a cycle
// together the last one to list its wait sees all others' entries; those that listed before may see
// them, too.
//
// While a search follows it the chain changes, so that what was seen piece by piece may never have
// been there as a whole. So a cycle is looked at twice. A entry that stands there unchanged on both
// occasions is a wait that went on in between, at the end of the first look, and a process with
// only one goroutine, which waits takes no lock meanwhile: the holders that the second look finds
// held their locks at that moment, all at once.

// looks is how often the search begins anew when the cycle that it found has gone.
const looks = 100

// IsExclusive reports whether a wait ends only when the one process acts that has alone what it is
// for.
func (r Role) IsExclusive() bool {
	return r == RoleLock || r == RoleRLock || r == RoleOnce || r == RoleStripe
}

// NeedsAll reports whether a wait goes on for as long as any process that holds what it is for does
// nothing, so that each of them can be part of a cycle.
func (r Role) NeedsAll() bool {
	return r.IsExclusive() || r == RoleDrain || r == RoleBarrier || r == RoleWaitGroup
}

// cycle returns the chain of waits from this process's wait for s back to this process; nil when
// there is none. The first is this process's own, without a time; what each waits for the next one
// holds.
func (t *WaitTable) cycle(s Target) []Wait {
	if t == nil || s == 0 {
		return nil
	}
	defer runtime.KeepAlive(t)
	for range looks {
		c := cycleSearch{table: t}
		if !c.follow(Wait{Owner: t.me, Target: s}) {
			return nil
		}
		if c.stands() {
			return c.path
		}
	}
	return nil
}

// A cycleSearch is one search for a way back to this process.
type cycleSearch struct {
	table *WaitTable
	path  []Wait
	at    []int                         // the entry of each in the path
	seen  [proctab.MaxSlots / 64]uint64 // bit n: slot n is in the path, or leads nowhere
}

// follow reports whether the wait p is part of a way back, which is in the path then. Each process
// is visited once, whatever the table says.
func (c *cycleSearch) follow(p Wait) bool {
	c.path = append(c.path, p)
	holder := c.table.holder(p.Target)
	// a process that waits for itself may have a goroutine that unlocks
	if holder == c.table.me && len(c.path) > 1 {
		return true
	}
	if c.visit(holder) {
		r := &c.table.rows[holder.Slot()]
		for i := range r.entries {
			next, ok := r.read(i, holder)
			if !ok || !next.Target.Role().IsExclusive() {
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
func (c *cycleSearch) visit(o proctab.Owner) bool {
	if o == c.table.me || o.Slot() >= len(c.table.rows) || !c.table.owns(o, o.Slot()) {
		return false
	}
	word, bit := &c.seen[o.Slot()/64], uint64(1)<<(o.Slot()%64)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}

// stands reports whether the cycle in the path is still what the table and the locks say. Each
// holder is looked at before its entry.
func (c *cycleSearch) stands() bool {
	for i, p := range c.path {
		last := i+1 == len(c.path)
		next := Wait{Owner: c.table.me}
		if !last {
			next = c.path[i+1]
		}
		if c.table.holder(p.Target) != next.Owner {
			return false
		}
		if last {
			break
		}
		if again, ok := c.table.rows[next.Owner.Slot()].read(c.at[i], next.Owner); !ok || again != next {
			return false
		}
	}
	return true
}
