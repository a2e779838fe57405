package semaphore

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A turnWord says which process no other may overtake, because it has waited for long, and how many
// units it needs.
//
//	bits  0..29  owner id of the process that has the turn; 0: none
//	bits 30..63  how many units it needs, at most
//
//	#  owner    meaning                       next
//	1  0        units go to the first     a leader takes it -> 2
//	2  p        no other takes units          p has its units or gives up -> 1, p dies -> 3, p lets its turn pass: another clears it -> 1
//	3  p, dead  the same as 1                 a leader takes it -> 2, any process clears it -> 1
//
// Only the leader of p takes units in #2. Should the word be overwritten, the worst is that units
// go to the wrong one first.
type turnWord struct {
	word  *atomic.Uint64
	party *lock.Party
	idle  lock.HandoffTimer
}

const (
	turnNeedShift = proctab.OwnerBits
	turnNeedMax   = 1<<(64-turnNeedShift) - 1
)

func turnOf(o proctab.Owner, need int64) uint64 {
	return uint64(o) | uint64(min(need, turnNeedMax))<<turnNeedShift
}

func ownerOfTurn(t uint64) proctab.Owner { return proctab.Owner(t & proctab.OwnerMask) }

func needOfTurn(t uint64) int64 { return int64(t >> turnNeedShift) }

// isElsewhere reports whether a process has the turn that the caller may not overtake, while free
// units are there. The leader of the process that has the turn may.
func (t *turnWord) isElsewhere(free int64, leader bool) bool {
	w := t.word.Load()
	owner := ownerOfTurn(w)
	switch {
	case w == 0, leader && owner == t.party.Member.ID():
		return false
	case t.party.Member.Table().Dead(owner): // #3
	case needOfTurn(w) > free:
		t.idle.Reset()
		return true
	case !t.idle.Expired(uint32(w)):
		return true
	}
	if t.word.CompareAndSwap(w, 0) { // -> #1
		crashpoint.Here("semaphore.turn.cleared")
	}
	return false
}

// begin makes it the turn of this process, which needs that many units, unless it is that of
// another which lives. Only a leader calls it.
func (t *turnWord) begin(need int64) {
	w, me := t.word.Load(), t.party.Member.ID()
	next := turnOf(me, need)
	if owner := ownerOfTurn(w); w == next || w != 0 && owner != me && !t.party.Member.Table().Dead(owner) {
		return
	}
	t.word.CompareAndSwap(w, next) // -> #2
	crashpoint.Here("semaphore.turn.taken")
}

// end ends the turn of this process, and reports whether it had it.
func (t *turnWord) end() bool {
	w := t.word.Load()
	if w == 0 || ownerOfTurn(w) != t.party.Member.ID() || !t.word.CompareAndSwap(w, 0) { // #2 -> #1
		return false
	}
	crashpoint.Here("semaphore.turn.ended")
	return true
}

// watchTurn tells a sleeper that needs n units, and has seen that many free, what it sleeps on
// because of the turn: when that of another process ends, the bell rings, but not when that process
// dies or lets its turn pass.
func (t *turnWord) watchTurn(w *lock.Watch, n, free int64) {
	v := t.word.Load()
	owner := ownerOfTurn(v)
	switch {
	case v == 0 && n <= free:
		// the turn has ended since; its process is not watched any more, and may die before it
		// rings
		w.Look(0)
	case v == 0, owner == t.party.Member.ID():
	default:
		w.Process(owner)
		if needOfTurn(v) <= free {
			w.Look(lock.HandoffTimeout)
		}
	}
}
