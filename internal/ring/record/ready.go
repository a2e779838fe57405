package record

import (
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// Oldest reports whether a get would not have to wait, without a lock. It returns the end of the
// oldest message, or the living process that is writing it.
func (r *Ring) Oldest() (ready bool, end uint64, held proctab.Owner) {
	if r.Closer.Closed() {
		return true, 0, ring.Nobody
	}
	h := r.head
	for range ring.Retries {
		closed := r.Closed() // before the tail, which is the last then
		take := h.take.Load()
		p, w, ok := r.needed(take, h.tail.Load(), false)
		switch {
		case h.take.Load() != take: // what lies there may have been overwritten
			continue
		case !ok:
			return true, 0, ring.Nobody // the get finds the damage
		case w == 0:
			return closed, 0, ring.Nobody
		case w&recKinds == recFull:
			return true, p + w&recSizeMask, ring.Nobody
		}
		return false, 0, recOwner(w)
	}
	return true, 0, ring.Nobody // other consumers take one message after the other
}

// HasRoom reports whether a put of n bytes would not have to wait, without a lock.
func (r *Ring) HasRoom(n uint64) bool {
	h := r.head
	if r.Closer.Closed() || r.Closed() {
		return true
	}
	for range ring.Retries {
		tail, free := h.tail.Load(), h.free.Load()
		if r.fitsBehind(tail, tail-free, n) {
			return true
		}
		p, _, ok := r.needed(free, tail, true)
		switch {
		case h.free.Load() != free || h.tail.Load() != tail:
			continue
		case !ok:
			return true // the put finds the damage
		}
		return r.fitsBehind(tail, tail-p, n)
	}
	return true // other processes put and get all the time
}

// fitsBehind reports whether a record for a message of n bytes fits at tail, where used bytes are
// in use.
func (r *Ring) fitsBehind(tail, used, n uint64) bool {
	need, gap := recordFor(n), uint64(0)
	if left := r.Capacity() - tail&r.mask; left < need {
		gap = left
	}
	if used > r.Capacity() {
		return true // the put finds the damage
	}
	if gap+need > r.Capacity() && used+gap <= r.Capacity() {
		used, gap = used+gap, 0 // see place
	}
	return used+gap+need <= r.Capacity()
}

// needed walks over records that the next sweep passes: gaps, and what dead processes hold. It
// returns the position and the word of the first other record from p on; the end and 0 when there
// is none. Records that a living process reads count only if reading says so: behind take, another
// consumer is just taking them. It reports false when the records contradict each other, as they do
// when they are overwritten meanwhile.
func (r *Ring) needed(p, end uint64, reading bool) (at, w uint64, ok bool) {
	if end-p > r.Capacity() {
		return p, 0, false
	}
	for p != end {
		_, w, ok := r.at(p, end)
		if !ok {
			return p, 0, false
		}
		switch kind := w & recKinds; {
		case isGap(w), kind == recReading && !reading:
		case kind != recWriting && kind != recReading:
			return p, w, true
		case !r.OwnerDead(recOwner(w)):
			return p, w, true
		}
		p += w & recSizeMask
	}
	return end, 0, true
}

// EndsAfter reports whether there are records behind a position.
func (r *Ring) EndsAfter(p uint64) bool { return r.head.tail.Load() != p }
