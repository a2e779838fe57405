package lock

import (
	"math/bits"
	"runtime"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A WaitTable is where the processes of a segment list what they wait for, so that others can tell
// people, and can see a cycle before they close it. Each process writes to its own row only. A wait
// is listed before its first sleep and removed when it is over: what does not sleep is never seen
// here.
//
// What a death leaves behind: a row of the dead. Readers ask the process table whether its owner
// lives, and the next process in that slot clears the row before it puts its own id there.
type WaitTable struct {
	rows   []waitRow // the rows, which lie in the segment
	party  *Party
	holder func(Target) proctab.Owner
	mine   *waitRow
	me     proctab.Owner

	mu     sync.Mutex // guards what follows, and this process's writing
	taken  uint32     // bit i: entry i of the own row is in use
	closed bool
}

// NewWaitTable views mem as the table of the party's segment, with a row for each slot of the
// process table, and makes the party's row its own. Holder returns the process that alone holds
// what a wait in one of the exclusive roles is for, or 0.
//
// Preconditions: the party is attached, and has no table yet.
func NewWaitTable(p *Party, mem []byte, holder func(Target) proctab.Owner) *WaitTable {
	t := &WaitTable{rows: rowsIn(mem), party: p, holder: holder, me: p.Member.ID()}
	t.mine = &t.rows[t.me.Slot()]
	t.mine.clear()
	// SYNC: wait table: a reader that sees the owner sees none of the entries of the one before.
	t.mine.owner.Store(uint32(t.me))
	crashpoint.Here("board.joined")
	return t
}

// LookAtWaits views mem as the table of a segment that this process only reads. It lists no wait of
// its own.
func LookAtWaits(p *Party, mem []byte, holder func(Target) proctab.Owner) *WaitTable {
	return &WaitTable{rows: rowsIn(mem), party: p, holder: holder, closed: true}
}

// clear forgets all waits, of a process that has gone or goes.
func (r *waitRow) clear() {
	r.owner.Store(0)
	crashpoint.Here("board.vacated")
	for i := range r.entries {
		r.entries[i].target.Store(0)
	}
	r.overflow.Store(0)
	r.answered.Store(0)
	crashpoint.Here("board.cleared")
}

// Close takes the process's row down. Waits that end later leave it alone: it may be another
// process's by then.
//
// Preconditions: the party is still attached.
func (t *WaitTable) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.mine.clear()
}

// A listing is a wait's place in the table: 1 + its entry, overflow, or 0 for a wait that is not
// listed.
type listing int8

const overflow listing = -1

// add lists a wait, if there is one and the target is not 0.
func (t *WaitTable) add(s Target) listing {
	if t == nil || s == 0 {
		return 0
	}
	now := time.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0
	}
	i := bits.TrailingZeros32(^t.taken)
	if i >= entriesPerRow {
		t.mine.overflow.Add(1)
		crashpoint.Here("board.unlisted")
		return overflow
	}
	t.taken |= 1 << i
	t.mine.entries[i].since.Store(now)
	crashpoint.Here("board.dated")
	// SYNC: wait table: of two processes that list a wait and then look, one sees the other's
	// entry. See cycle.
	t.mine.entries[i].target.Store(uint64(s))
	crashpoint.Here("board.posted")
	return listing(i + 1)
}

// remove takes a wait off the table.
func (t *WaitTable) remove(p listing) {
	if p == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if p == overflow {
		t.mine.overflow.Add(^uint32(0))
		crashpoint.Here("board.counted")
		return
	}
	t.mine.entries[p-1].target.Store(0)
	crashpoint.Here("board.withdrawn")
	t.taken &^= 1 << (p - 1)
}

// A Wait is one wait as the table has it.
type Wait struct {
	Owner  proctab.Owner // the process that waits
	Target Target        // what the process waits for
	Since  time.Time
}

// All calls yield with every wait of the processes that live, until it reports false, and returns
// how many further waits found no room on the table.
func (t *WaitTable) All(yield func(Wait) bool) (overflow int) {
	defer runtime.KeepAlive(t)
	for slot := range t.rows {
		r := &t.rows[slot]
		o := proctab.Owner(r.owner.Load())
		if !t.owns(o, slot) {
			continue
		}
		for i := range r.entries {
			if p, ok := r.read(i, o); ok && !yield(p) {
				return overflow
			}
		}
		overflow += int(r.overflow.Load())
	}
	return overflow
}

// owns reports whether o is a living process that has this slot. What is in shared memory may be
// garbage.
func (t *WaitTable) owns(o proctab.Owner, slot int) bool {
	return o != 0 && o&^proctab.OwnerMask == 0 && o.Slot() == slot && !t.party.Member.Table().Dead(o)
}

// read returns entry i of a row, if there is a wait of o in it.
func (r *waitRow) read(i int, o proctab.Owner) (p Wait, ok bool) {
	rec := &r.entries[i]
	s := rec.target.Load()
	since := rec.since.Load()
	if s == 0 || rec.target.Load() != s || r.owner.Load() != uint32(o) {
		return p, false
	}
	return Wait{o, Target(s), time.Unix(0, since)}, true
}

// answers is the bit of waitRow.answered that says that its process answers at all; the others are
// a number.
const answers = 1 << 31

// Answer notes that this process has followed the request of that number, as others see with
// [WaitTable.Answered]. What the numbers mean is the segment's business.
func (t *WaitTable) Answer(n uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.mine.answered.Store(n | answers)
	}
}

// Answered is the number of the last request that a process has followed, modulo 2³¹. It reports
// false when the process follows none.
func (t *WaitTable) Answered(o proctab.Owner) (n uint32, ok bool) {
	if o.Slot() >= len(t.rows) {
		return 0, false
	}
	r := &t.rows[o.Slot()]
	v := r.answered.Load()
	return v &^ answers, v&answers != 0 && r.owner.Load() == uint32(o)
}
