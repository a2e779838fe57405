package queue

import (
	"errors"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// claimNext claims the oldest message.
//
// Errors: [ErrEmpty], errHeld with the living process that is writing the oldest, errBusy, [ErrClosed], [shm.ErrClosed], [shm.ErrCorrupt].
func (r *bytesRing) claimNext() (c claim, held proctab.Owner, err error) {
	if r.tasks == nil {
		return r.claimFront(false)
	}
	r.tasks.Add() // before the message leaves the queue, so that it is always seen in one of the two
	if c, held, err = r.claimFront(false); err != nil {
		r.tasks.Drop()
	}
	return c, held, err
}

// claimFront is claimNext that counts no task. With alone it claims the message only when nobody reads one that was taken
// before it, and else returns ring.ErrHeld.
func (r *bytesRing) claimFront(alone bool) (c claim, held proctab.Owner, err error) {
	err = r.locked(r.getLock, func() error {
		if r.Closer.Closed() {
			return shm.ErrClosed
		}
		for range ring.Retries {
			if err := r.sweep(); err != nil {
				return err
			}
			if alone && r.head.free.Load() != r.head.take.Load() {
				return ring.ErrHeld
			}
			var err error
			if c, held, err = r.front(); err != errGap {
				return err
			}
		}
		return r.Corrupt
	})
	return c, held, err
}

// errGap says that a producer has made a gap since the last sweep.
var errGap = errors.New("queue: a gap comes next")

// front claims the record at take, which sweep has moved over all gaps, under getLock.
//
// What a death leaves behind: before the second store a record that a dead process reads and that is not taken
// yet, which sweep takes; after it a record of the dead. The count may lack one.
func (r *bytesRing) front() (c claim, held proctab.Owner, err error) {
	h := r.head
	closed := h.closed.Load() != 0 // it was set under putLock: the tail that is read after it is the last
	p := h.take.Load()
	tail := r.tailBeyond(p)
	if p == tail {
		if closed {
			return c, ring.Nobody, ErrClosed
		}
		return c, ring.Nobody, ErrEmpty
	}
	rec, w, ok := r.at(p, tail)
	if !ok {
		return c, ring.Nobody, r.Corrupt
	}
	size := w & recSizeMask
	switch w & recKinds {
	case recDone, recAborted:
		return c, ring.Nobody, errGap
	case recFull:
		n := rec.length.Load()
		if n > size-recordBytes {
			return c, ring.Nobody, r.Corrupt
		}
		c = claim{rec: rec, size: size, n: n, p: p}
		ring.StoreRelease(&rec.state, recWord(recReading, r.Me, size)) // #2 -> #3
		crashpoint.Here("bytes.claimed")
		ring.StoreRelease(&h.take, p+size)
		crashpoint.Here("bytes.taken")
		ring.StoreRelease(&h.gets, h.gets.Load()+1)
		r.filled.Acquire()
		return c, ring.Nobody, nil
	case recWriting:
		return c, recOwner(w), ring.ErrHeld
	default:
		return c, ring.Nobody, r.Corrupt
	}
}

// tailBeyond is the end of the records, or an earlier one that lies behind p if this process has seen one; under getLock.
func (r *bytesRing) tailBeyond(p uint64) uint64 {
	tail := r.tailSeen.Load()
	if ahead := tail - p; ahead == 0 || ahead > r.size() {
		// SYNC: tail: the states of all records before it are valid.
		tail = r.head.tail.Load()
		ring.StoreRelease(&r.tailSeen, tail)
	}
	return tail
}

// sweep moves take over gaps and over what dead producers have left, and free over all that
// nobody needs, under getLock.
func (r *bytesRing) sweep() error {
	h := r.head
	take, free := h.take.Load(), h.free.Load()
	tail := r.tailBeyond(take)
	if tail-take > r.size() || tail-free > r.size() || tail-take > tail-free {
		return r.Corrupt
	}
	left := false // a message that nobody will get
	for take != tail {
		rec, w, ok := r.at(take, tail)
		if !ok {
			return r.Corrupt
		}
		if !isGap(w) {
			if w&recKinds == recFull || !r.OwnerDead(recOwner(w)) {
				break
			}
			r.lost(rec, w) // being written; or claimed, and take was not moved any more
			crashpoint.Here("bytes.lost")
		}
		if w&recKinds != recDone {
			left = true
			ring.StoreRelease(&h.gets, h.gets.Load()+1)
		}
		take += w & recSizeMask
		ring.StoreRelease(&h.take, take)
		crashpoint.Here("bytes.skipped")
		if tail = r.tailBeyond(take); tail-take > r.size() {
			return r.Corrupt
		}
	}
	if left {
		r.tasks.Notify()
	}
	moved := false
	for free != take {
		rec, w, ok := r.at(free, take)
		if !ok {
			return r.Corrupt
		}
		if !isGap(w) {
			if w&recKinds != recReading || !r.OwnerDead(recOwner(w)) {
				break
			}
			r.lost(rec, w)
			crashpoint.Here("bytes.lost.read")
		}
		free += w & recSizeMask
		moved = true
	}
	if moved {
		// SYNC: free: the bytes before it have been copied.
		ring.StoreRelease(&h.free, free)
		crashpoint.Here("bytes.freed")
		r.producers.Event.Notify()
	}
	return nil
}

// release gives back a record that was read.
func (r *bytesRing) release(c claim) error {
	crashpoint.Here("bytes.copied")
	if r.Closer.Closed() {
		return shm.ErrClosed // the record counts as a dead process's
	}
	r.freed.ReleaseMerge()
	// SYNC: done: the bytes are read before the word says so. A store does, as in publish.
	ring.StoreRelease(&c.rec.state, recWord(recDone, ring.Nobody, c.size)) // #3 -> #5
	crashpoint.Here("bytes.released")
	if r.producers.Event.Awaited() { // a producer that does not sleep yet sweeps itself
		if err := r.locked(r.getLock, r.sweep); err == errBusy {
			r.producers.Event.Notify() // it can sweep as well
		}
	}
	return nil
}
