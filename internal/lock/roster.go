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
// Seats are handed out from the first on, so that a look at
// all of them is as short as the number of processes that ever used the object at once. The seat of
// a dead process is handed out again. Owner and count are one word: a change that was meant
// for a process which has lost its seat meanwhile fails.
//
// Neighbours in number are not neighbours in memory: the first processes, and most
// objects have no more, find their seats on cache lines of their own.
type roster struct {
	high  *atomic.Uint32 // seats [0, high) have been handed out; only grows
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
	if n < r.lines { // the usual case, without a division
		return &r.seats[n*seatsPerLine]
	}
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
// Preconditions:
//   - when lost is not nil, a lock of the object is held: without it several may be told of the same loss.
//
// What a death leaves behind: a seat of the dead, which goes to the next.
func (r *roster) claim(first uint64, lost func(count uint64)) *atomic.Uint64 {
	me := r.party.Member.ID()
	for r.mine.Load() == nil {
		n, w := r.vacant(me)
		if n < 0 {
			return nil
		}
		s := r.seat(n)
		if ownerOfSeat(w) != me {
			if lost != nil && w&seatMask != 0 {
				lost(w & seatMask)
			}
			if !s.CompareAndSwap(w, uint64(me)<<seatOwnerShift|first&seatMask) {
				continue // somebody else was faster
			}
			crashpoint.Here("roster.seated")
		}
		r.raise(uint32(n + 1))
		r.mine.Store(s)
	}
	return r.mine.Load()
}

// uphold has the seat of this process count as handed out, should the bytes that say so have been overwritten.
func (r *roster) uphold() {
	for n := range r.seats {
		if r.seat(n) == r.mine.Load() {
			r.raise(uint32(n + 1))
		}
	}
}

// raise has the seats below n count as handed out.
func (r *roster) raise(n uint32) {
	for high := r.high.Load(); high < n; high = r.high.Load() {
		// SYNC: roster: who looks at all seats from here on sees this one. Its first use comes later.
		r.high.CompareAndSwap(high, n)
		crashpoint.Here("roster.raised")
	}
}

// vacant returns the number of a seat for this process and what it holds. It is its own if it has one already, because all
// its handles of the object had gone in between, or else the first one of nobody or of a dead process; -1 when there is none.
func (r *roster) vacant(me proctab.Owner) (n int, w uint64) {
	n = -1
	for i := range r.seats {
		if n >= 0 && i >= r.len() {
			break // beyond are only those that are being claimed just now
		}
		have := r.seat(i).Load()
		if ownerOfSeat(have) == me {
			return i, have
		}
		if n < 0 && r.party.Member.Table().Dead(ownerOfSeat(have)) { // nobody is dead, too
			n, w = i, have
		}
	}
	return n, w
}
