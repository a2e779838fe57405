package queue

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// claimGet claims the oldest message, and returns its slot.
//
// Errors: [ErrEmpty], errHeld with the living process that has to finish first,
// [ErrClosed], [shm.ErrClosed], [shm.ErrCorrupt]; nothing is claimed.
func (r *mpmcRing) claimGet() (s *slot, p uint64, held proctab.Owner, err error) {
	if r.Closer.Closed() {
		return nil, 0, ring.Nobody, shm.ErrClosed
	}
	for range r.tries() {
		p, held, err = r.front()
		if err != nil {
			return nil, 0, held, err
		}
		s = r.slot(p)
		lap := r.lap(p)
		// SYNC: filled: the value was written before the word that this CAS replaces.
		if s.state.CompareAndSwap(wordOf(full, ring.Nobody, lap), wordOf(reading, r.Me, lap)) { // #2 -> #3
			crashpoint.Here("queue.taken")
			r.gets.pass(p)
			r.filled.Acquire()
			return s, p, ring.Nobody, nil
		}
	}
	return nil, 0, ring.Nobody, r.corrupt()
}

// front returns the position of the oldest message, which may be gone as soon as it
// returns, or with ErrEmpty or ErrClosed of the next one. On the way it skips what dead producers have left.
//
// Errors: [ErrEmpty], errHeld with the living process that is writing the message, [ErrClosed], [shm.ErrCorrupt].
func (r *mpmcRing) front() (p uint64, held proctab.Owner, err error) {
	closed := false
	p = r.gets.from()
	for range r.tries() {
		s := r.slot(p)
		w := s.state.Load()
		switch stage := stageOf(w, r.lap(p)); {
		case stage == isFull && ownerOf(w) == ring.Nobody:
			return p, ring.Nobody, nil
		case stage == isEmpty && ownerOf(w) == ring.Nobody || stage == isReading-perLap:
			if closed {
				return p, ring.Nobody, r.over
			}
			crashpoint.Here("queue.found.empty")
			if r.head.closed.Load() == 0 {
				return p, ring.Nobody, ErrEmpty
			}
			closed = true // look again: a put that did not see the flag had claimed its slot before
		case stage == isWriting:
			if o := ownerOf(w); !r.OwnerDead(o) {
				return 0, o, ring.ErrHeld
			}
			r.abandon(s, w)
		case isReading <= stage && stage <= mostPassed: // the position is done with
			r.gets.pass(p)
			p++
		default:
			if p, err = r.again(&r.gets, p); err != nil {
				return 0, ring.Nobody, err
			}
		}
	}
	return 0, ring.Nobody, r.corrupt()
}

// abandon frees a slot whose owner is dead, or has withdrawn, and counts it.
//
// What a death leaves behind: a slot that is free but not counted.
func (r *mpmcRing) abandon(s *slot, w uint64) {
	if !s.state.CompareAndSwap(w, wordOf(empty, ring.Nobody, lapOf(w)+1)) { // #1, #3 -> #0
		return
	}
	crashpoint.Here("queue.abandoned")
	if ownerOf(w) != ring.Nobody {
		r.head.abandoned.Add(1)
	}
	crashpoint.Here("queue.counted")
	r.producers.Event.Notify()
}

// take claims the oldest message for somebody who is going to work on it; see claimGet.
//
// What a death leaves behind: a task of a dead process, which nobody waits for.
func (r *mpmcRing) take() (s *slot, p uint64, held proctab.Owner, err error) {
	if r.tasks == nil {
		return r.claimGet()
	}
	if _, held, err = r.front(); err != nil { // the usual reason why there is nothing to take
		return nil, 0, held, err
	}
	r.tasks.Add() // before the message leaves the queue, so that it is always seen in one of the two
	crashpoint.Here("queue.task.added")
	if s, p, held, err = r.claimGet(); err != nil {
		r.tasks.Drop()
	}
	return s, p, held, err
}

// release frees the slot of a message that this process has taken and copied, and tells who waits for room. It
// returns an error when somebody else may have the message.
func (r *mpmcRing) release(s *slot, p uint64) error {
	err := r.finish(s, p)
	r.producers.Event.Notify()
	return err
}

// finish is release without telling anybody.
func (r *mpmcRing) finish(s *slot, p uint64) error {
	crashpoint.Here("queue.read")
	r.freed.ReleaseMerge()
	if r.Closer.Closed() {
		return r.releaseClosed(s, r.lap(p))
	}
	// SYNC: freed: the value is read before the word says so. A store does, as in publish.
	ring.StoreRelease(&s.state, wordOf(empty, ring.Nobody, r.lap(p)+1)) // #3 -> #0
	crashpoint.Here("queue.released")
	return nil
}

// releaseClosed is release while this process closes the segment. A close that saw the claim waits for
// it to end. Otherwise the process may have been detached before the claim, which then nobody saw, or
// before the end of the copy, so that others took it for dead and freed the slot.
func (r *mpmcRing) releaseClosed(s *slot, lap uint32) error {
	if r.seg.Detached() {
		return shm.ErrClosed
	}
	s.state.CompareAndSwap(wordOf(reading, r.Me, lap), wordOf(empty, ring.Nobody, lap+1))
	r.producers.Event.NotifyAll()
	return nil
}
