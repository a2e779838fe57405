package lock

import (
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// What a writer does to those whose turn it is.
type turns int

const (
	turnsStay    turns = iota // it lets them take it
	turnsOver                 // they have not taken it in time, and have to ask again
	turnsIgnored              // it will not wait; they keep it
)

// shut bars all seats, but those whose turn it still is, and reports whether nobody is inside any more.
// What dead processes have left it clears.
//
// Preconditions: writers is held.
//
// What a death leaves behind: #6.
func (l *RWMutex) shut(t turns) (empty bool) {
	empty = true
	for n := range l.seats.len() {
		s := l.seats.seat(n)
		w := s.Load()
		if w == 0 {
			continue // nobody's
		}
		if t == turnsStay && hasTurn(w) {
			empty = l.isDead(s, w) && empty
			continue
		}
		if w&seatBarred == 0 {
			w = l.bar(s, t)
		}
		if hasReaders(w) && !l.isDead(s, w) {
			empty = false
		}
	}
	return empty
}

// shutInTime is shut for a writer that waits. Turns begin with its first look.
func (l *RWMutex) shutInTime() (empty bool) {
	if l.turns.Load() == 0 {
		l.turns.Store(int64(time.Since(l.writers.born) + rwTurn))
	}
	if l.turnsLeft() > 0 {
		return l.shut(turnsStay)
	}
	return l.shut(turnsOver)
}

// turnsLeft is for how long seats keep their turns.
func (l *RWMutex) turnsLeft() time.Duration {
	return time.Duration(l.turns.Load()) - time.Since(l.writers.born)
}

// watchReaders has the writer sleep on the lives of those it waits for. When there are none any more, the last one may
// have died before it could say so.
func (l *RWMutex) watchReaders(w *Watch) {
	found := false
	for _, seat := range l.seats.all {
		if hasTurn(seat) {
			w.Look(l.turnsLeft())
		}
		if hasReaders(seat) || hasTurn(seat) {
			found = true
			w.Process(ownerOfSeat(seat))
		}
	}
	if !found {
		w.Look(0)
	}
}

// bar closes the way in of a seat and returns what it holds then.
func (l *RWMutex) bar(s *atomic.Uint64, t turns) (w uint64) {
	if t == turnsOver && s.Load()&seatWaits != 0 {
		s.And(^uint64(seatWaits))
	}
	// SYNC: bar: whoever was counted before is counted in what this returns; whoever comes later sees the bar.
	w = s.Or(seatBarred)
	crashpoint.Here("rwmutex.barred")
	return w
}

// isDead reports whether the seat s, which held w, is a dead process's. Then it is nobody's from here on.
func (l *RWMutex) isDead(s *atomic.Uint64, w uint64) bool {
	owner := ownerOfSeat(w)
	if owner == l.me || !l.party.Member.Table().Dead(owner) {
		return false
	}
	if w = s.Load(); ownerOfSeat(w) == owner { // a newcomer may have it
		s.CompareAndSwap(w, 0)
		crashpoint.Here("rwmutex.buried")
	}
	return true
}

// isEmpty reports whether no living process counts a reader.
func (l *RWMutex) isEmpty() bool {
	for _, w := range l.seats.all {
		if hasReaders(w) && !l.party.Member.Table().Dead(ownerOfSeat(w)) {
			return false
		}
	}
	return true
}
