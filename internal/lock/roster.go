package lock

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A roster gives each process that uses an object a seat: a word of its own, in which only
// that process counts what it does there. When it dies, others see from the seat what has died with it.
//
//	bits 34..63  owner id of the process that has the seat; 0: nobody ever had it
//	bits  0..33  what the object counts
//
// Seats are handed out from the first on, under a lock of the object, so that a look at
// all of them is as short as the number of processes that ever used the object at once. The seat of
// a dead process is handed out again. Owner and count are one word: a change that was meant
// for a process which has lost its seat meanwhile fails.
//
// Neighbours in number are not neighbours in memory: the first processes, and most
// objects have no more, find their seats on cache lines of their own.
type roster struct {
	high  *atomic.Uint32 // seats [0, high) have been handed out; changed under the lock of the object
	seats []atomic.Uint64
	lines int
	party *Party
	mine  atomic.Pointer[atomic.Uint64] // the seat of this process
}

const (
	seatOwnerShift = 34
	seatMask       = 1<<seatOwnerShift - 1

	seatBytes    = 8
	seatsPerLine = lineBytes / seatBytes
	lineBytes    = 64
)

// rosterBytes is how much shared memory the seats of n processes need, aligned to a cache line. Zeros are seats of nobody.
func rosterBytes(n int) int { return (n + seatsPerLine - 1) / seatsPerLine * lineBytes }

// newRoster views mem as seats, one for each slot of the party's process table at most.
func newRoster(p *Party, high *atomic.Uint32, mem []byte) *roster {
	return &roster{high: high, seats: seatsIn(mem), lines: len(mem) / lineBytes, party: p}
}

// seat is the n-th seat in the order in which they are handed out.
func (r *roster) seat(n int) *atomic.Uint64 {
	return &r.seats[n%r.lines*seatsPerLine+n/r.lines]
}

// len is how many seats have been handed out. What is in shared memory may be garbage.
func (r *roster) len() int { return int(min(r.high.Load(), uint32(len(r.seats)))) }

// ownerOfSeat is whose seat holds w.
func ownerOfSeat(w uint64) proctab.Owner { return proctab.Owner(w >> seatOwnerShift) }

// all calls yield with each seat that was handed out and what it holds; see ownerOfSeat and seatMask.
func (r *roster) all(yield func(seat *atomic.Uint64, w uint64) bool) {
	for n := range r.len() {
		s := r.seat(n)
		if w := s.Load(); w != 0 && !yield(s, w) {
			return
		}
	}
}

// claim gives this process a seat that counts first, if it has none, and returns it; nil when there is none,
// which says that the roster is damaged. When the seat was a dead process's, lost is told what
// that had counted, before it is overwritten; it may be nil.
//
// Preconditions: the lock of the object is held.
//
// What a death leaves behind: a seat of the dead, which goes to the next.
func (r *roster) claim(first uint64, lost func(count uint64)) *atomic.Uint64 {
	if s := r.mine.Load(); s != nil {
		return s
	}
	me := r.party.Member.ID()
	n, known := r.vacant(me)
	if n == len(r.seats) {
		return nil
	}
	s := r.seat(n)
	for w := s.Load(); !known; w = s.Load() {
		if lost != nil && w&seatMask != 0 {
			lost(w & seatMask)
		}
		known = s.CompareAndSwap(w, uint64(me)<<seatOwnerShift|first&seatMask)
	}
	crashpoint.Here("roster.seated")
	if r.len() <= n {
		// SYNC: roster: who looks at all seats from here on sees this one. Its first use comes later.
		r.high.Store(uint32(n + 1))
		crashpoint.Here("roster.raised")
	}
	r.mine.Store(s)
	return s
}

// vacant returns the number of a seat for this process, and whether it is its own already, because all its handles of
// the object had gone in between.
func (r *roster) vacant(me proctab.Owner) (n int, own bool) {
	n = r.len()
	for i := n - 1; i >= 0; i-- {
		switch owner := ownerOfSeat(r.seat(i).Load()); {
		case owner == me:
			return i, true
		case r.party.Member.Table().Dead(owner): // nobody is dead, too
			n = i
		}
	}
	return n, false
}
