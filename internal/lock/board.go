package lock

import (
	"math/bits"
	"runtime"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A Board is where the processes of a segment post what they wait for, so that others can tell people, and can see
// a cycle before they close it. Each process writes to its own row only. A wait is posted before its first sleep
// and withdrawn when it is over: what does not sleep is never seen here.
//
// What a death leaves behind: a row of the dead. Readers ask the process table whether its owner lives, and the next
// process in that slot clears the row before it puts its own id there.
type Board struct {
	rows   []row // in the segment
	party  *Party
	holder func(Subject) proctab.Owner
	mine   *row
	me     proctab.Owner

	mu     sync.Mutex // guards what follows, and this process's writing
	taken  uint32     // bit i: record i of the own row is in use
	closed bool
}

// NewBoard views mem as the board of the party's segment, with a row for each slot of the process table, and
// makes the party's row its own. Holder says who has alone what a wait in one of the exclusive roles is for, or 0.
//
// Preconditions: the party is attached, and has no board yet.
func NewBoard(p *Party, mem []byte, holder func(Subject) proctab.Owner) *Board {
	b := &Board{rows: rowsIn(mem), party: p, holder: holder, me: p.Member.ID()}
	b.mine = &b.rows[b.me.Slot()]
	b.mine.clear()
	// SYNC: board: whoever sees the owner sees none of the records of the one before.
	b.mine.owner.Store(uint32(b.me))
	crashpoint.Here("board.joined")
	return b
}

// clear forgets all waits, of a process that has gone or goes.
func (r *row) clear() {
	r.owner.Store(0)
	crashpoint.Here("board.vacated")
	for i := range r.records {
		r.records[i].subject.Store(0)
	}
	r.unlisted.Store(0)
	r.answered.Store(0)
	crashpoint.Here("board.cleared")
}

// Leave takes the process's row down. Waits that end later leave it alone: it may be another process's by then.
//
// Preconditions: the party is still attached.
func (b *Board) Leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.mine.clear()
}

// A posting is a wait's place on the board: 1 + its record, unlisted, or 0 for a wait that is not posted.
type posting int8

const unlisted posting = -1

// post puts a wait on the board, if there is one and the subject is not 0.
func (b *Board) post(s Subject) posting {
	if b == nil || s == 0 {
		return 0
	}
	now := time.Now().UnixNano()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0
	}
	i := bits.TrailingZeros32(^b.taken)
	if i >= recordsPerRow {
		b.mine.unlisted.Add(1)
		crashpoint.Here("board.unlisted")
		return unlisted
	}
	b.taken |= 1 << i
	b.mine.records[i].since.Store(now)
	crashpoint.Here("board.dated")
	// SYNC: board: of two processes that post and then look, one sees the other's record. See cycle.
	b.mine.records[i].subject.Store(uint64(s))
	crashpoint.Here("board.posted")
	return posting(i + 1)
}

// withdraw takes a wait off the board.
func (b *Board) withdraw(p posting) {
	if p == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if p == unlisted {
		b.mine.unlisted.Add(^uint32(0))
		crashpoint.Here("board.counted")
		return
	}
	b.mine.records[p-1].subject.Store(0)
	crashpoint.Here("board.withdrawn")
	b.taken &^= 1 << (p - 1)
}

// A Posting is one wait as it stands on the board.
type Posting struct {
	Owner   proctab.Owner // who waits
	Subject Subject       // for what
	Since   time.Time
}

// All calls yield with every wait of the processes that live, until it reports false, and returns how many further
// waits found no room on the board.
func (b *Board) All(yield func(Posting) bool) (unlisted int) {
	defer runtime.KeepAlive(b)
	for slot := range b.rows {
		r := &b.rows[slot]
		o := proctab.Owner(r.owner.Load())
		if !b.owns(o, slot) {
			continue
		}
		for i := range r.records {
			if p, ok := r.read(i, o); ok && !yield(p) {
				return unlisted
			}
		}
		unlisted += int(r.unlisted.Load())
	}
	return unlisted
}

// owns reports whether o is a living process that has this slot. What is in shared memory may be garbage.
func (b *Board) owns(o proctab.Owner, slot int) bool {
	return o != 0 && o&^proctab.OwnerMask == 0 && o.Slot() == slot && !b.party.Member.Table().Dead(o)
}

// read returns record i of a row, if there is a wait of o in it.
func (r *row) read(i int, o proctab.Owner) (p Posting, ok bool) {
	rec := &r.records[i]
	s := rec.subject.Load()
	since := rec.since.Load()
	if s == 0 || rec.subject.Load() != s || r.owner.Load() != uint32(o) {
		return p, false
	}
	return Posting{o, Subject(s), time.Unix(0, since)}, true
}
