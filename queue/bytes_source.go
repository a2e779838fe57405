package queue

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
func (b *Bytes) Gets() shmsync.Source {
	return source(func() lock.Source {
		r := b.r
		var held proctab.Owner
		var end uint64 // of the oldest message
		return lock.Source{
			Event: r.consumers.Event, Policy: b.policy,
			Ready: func() (ready bool) {
				ready, end, held = r.oldest()
				runtime.KeepAlive(b)
				return ready
			},
			More:  func() bool { return end != r.head.tail.Load() },
			Watch: func(w *lock.Watch) { w.Process(held) },
		}
	})
}

// Puts is a source for [shmsync.NewSelect] that is ready when there is room for the message for
// which the last TryPut of this handle has returned [ErrFull], or for an empty one when none has.
func (b *Bytes) Puts() shmsync.Source {
	return source(func() lock.Source {
		r := b.r
		return lock.Source{
			Event: r.producers.Event, Policy: b.policy,
			Ready: func() bool {
				ready := r.hasRoom(b.refused.Load())
				runtime.KeepAlive(b)
				return ready
			},
			More:  func() bool { return true }, // room for one message may be enough for several
			Watch: func(w *lock.Watch) { w.Process(r.holder()) },
		}
	})
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
func (q *Objects[T]) Gets() shmsync.Source { return q.b.Gets() }

// Puts is a source for [shmsync.NewSelect] that is ready when there is room for the value for which
// the last TryPut of this handle has returned [ErrFull], or for the smallest one when none has.
func (q *Objects[T]) Puts() shmsync.Source { return q.b.Puts() }

// oldest reports whether a get would not have to wait, without a lock. It returns the end of the
// oldest message, or the living process that is writing it.
func (r *bytesRing) oldest() (ready bool, end uint64, held proctab.Owner) {
	if r.Closer.Closed() {
		return true, 0, ring.Nobody
	}
	h := r.head
	for range ring.Retries {
		closed := h.closed.Load() != 0 // before the tail, which is the last then
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
	return true, 0, ring.Nobody // others take one message after the other
}

// hasRoom reports whether a put of n bytes would not have to wait, without a lock.
func (r *bytesRing) hasRoom(n uint64) bool {
	h := r.head
	if r.Closer.Closed() || h.closed.Load() != 0 {
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
	return true // others put and get all the time
}

// fitsBehind reports whether a record for a message of n bytes fits at tail, where used bytes are
// in use.
func (r *bytesRing) fitsBehind(tail, used, n uint64) bool {
	need, gap := recordFor(n), uint64(0)
	if left := r.size() - tail&r.mask; left < need {
		gap = left
	}
	if used > r.size() {
		return true // the put finds the damage
	}
	if gap+need > r.size() && used+gap <= r.size() {
		used, gap = used+gap, 0 // see place
	}
	return used+gap+need <= r.size()
}

// needed walks over records that the next sweep passes: gaps, and what dead processes hold. It
// returns the position and the word of the first other record from p on; the end and 0 when there
// is none. Records that a living process reads count only if reading says so: behind take, another
// consumer is just taking them. It reports false when the records contradict each other, as they do
// when they are overwritten meanwhile.
func (r *bytesRing) needed(p, end uint64, reading bool) (at, w uint64, ok bool) {
	if end-p > r.size() {
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
