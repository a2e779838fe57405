package rwmutex

import (
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
)

// What a writer does to processes that have a turn.
type turns int

const (
	turnsStay    turns = iota // it lets them take it
	turnsOver                 // they have not taken it in time, and have to ask again
	turnsIgnored              // it will not wait; they keep it
)

// closeAll blocks all cells but those that still have their turn, and reports whether no reader is
// inside any more. What dead processes have left it clears.
//
// Preconditions: writers is held.
//
// What a death leaves behind: #6.
func (l *Lock) closeAll(t turns) (empty bool) {
	empty = true
	for n := range l.slots.Len() {
		s := l.slots.Cell(n)
		w := s.Load()
		if w == 0 {
			continue // it was never handed out
		}
		if t == turnsStay && hasTurn(w) {
			empty = l.dropIfDead(s, w) && empty
			continue
		}
		if w&cellBlocked == 0 {
			w = l.block(s, t)
		}
		if hasReaders(w) && !l.dropIfDead(s, w) {
			empty = false
		}
	}
	return empty
}

// closeAllInTime is closeAll for a writer that waits. Turns begin with its first look.
func (l *Lock) closeAllInTime() (empty bool) {
	if l.turns.Load() == 0 {
		l.turns.Store(int64(time.Since(l.born) + turnTime))
	}
	if l.turnsLeft() > 0 {
		return l.closeAll(turnsStay)
	}
	return l.closeAll(turnsOver)
}

// turnsLeft is for how long cells keep their turns.
func (l *Lock) turnsLeft() time.Duration {
	return time.Duration(l.turns.Load()) - time.Since(l.born)
}

// watchReaders has the writer sleep on the lives of those it waits for. When there are none any
// more, the last one may have died before it could say so.
func (l *Lock) watchReaders(w *lock.Watch) {
	found := false
	for _, cell := range l.slots.All {
		if hasTurn(cell) {
			w.Look(l.turnsLeft())
		}
		if hasReaders(cell) || hasTurn(cell) {
			found = true
			w.Process(lock.CellOwner(cell))
		}
	}
	if !found {
		w.Look(0)
	}
}

// block closes the way in of a cell and returns what it holds then.
func (l *Lock) block(s *atomic.Uint64, t turns) (w uint64) {
	if t == turnsOver && s.Load()&cellWaits != 0 {
		s.And(^uint64(cellWaits))
	}
	// SYNC: block: a reader that was counted before is counted in what this returns; a later one
	// sees the block.
	w = s.Or(cellBlocked)
	crashpoint.Here("rwmutex.barred")
	return w
}

// dropIfDead reports whether the cell s, which held w, is a dead process's. Then it is free from
// here on.
func (l *Lock) dropIfDead(s *atomic.Uint64, w uint64) bool {
	owner := lock.CellOwner(w)
	if owner == l.me || !l.party.Member.Table().Dead(owner) {
		return false
	}
	if w = s.Load(); lock.CellOwner(w) == owner { // a newcomer may have it
		if s.CompareAndSwap(w, 0) && hasReaders(w) {
			l.party.Member.Table().TookOver(owner, uint64(l.opened.Target))
		}
		crashpoint.Here("rwmutex.buried")
	}
	return true
}

// isEmpty reports whether no living process counts a reader.
func (l *Lock) isEmpty() bool {
	for _, w := range l.slots.All {
		if hasReaders(w) && !l.party.Member.Table().Dead(lock.CellOwner(w)) {
			return false
		}
	}
	return true
}
