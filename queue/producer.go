package queue

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// claimPut claims the next position for a message, and returns its slot.
//
// Errors: [ErrFull], errHeld with the living process that has to finish first,
// [ErrClosed], [shm.ErrClosed], [shm.ErrCorrupt]; nothing is claimed.
func (r *mpmcRing) claimPut() (s *slot, p uint64, held proctab.Owner, err error) {
	if err := r.closedForPut(); err != nil {
		return nil, 0, ring.Nobody, err
	}
	p = r.puts.from()
	for range r.tries() {
		s = r.slot(p)
		lap := r.lap(p)
		w := s.state.Load()
		switch stage := stageOf(w, lap); {
		case stage == isEmpty && ownerOf(w) == ring.Nobody:
			// SYNC: freed: the last reader's copy comes before this CAS, which sees its word.
			if s.state.CompareAndSwap(w, wordOf(writing, r.Me, lap)) { // #0 -> #1
				crashpoint.Here("queue.claimed")
				if err := r.closedForPut(); err != nil {
					r.withdraw(s, lap)
					return nil, 0, ring.Nobody, err
				}
				r.puts.pass(p) // before the message is written: a locked instruction would wait for that
				r.freed.Acquire()
				return s, p, ring.Nobody, nil
			}
		case isWriting <= stage && stage <= mostPassed: // the position is taken
			r.puts.pass(p)
			p++
		case isWriting-perLap <= stage && stage <= isReading-perLap: // the last message of this slot is still there
			held, err := r.blocked(s, w)
			if err != nil {
				return nil, 0, held, err
			}
		default:
			if p, err = r.again(&r.puts, p); err != nil {
				return nil, 0, ring.Nobody, err
			}
		}
	}
	return nil, 0, ring.Nobody, r.corrupt()
}

// closedForPut says whether, and why, nothing can be put any more.
//
// It is asked again when the claim is visible. Whoever closes sets the flag before he looks for
// claims, so that either the producer sees the flag, or who has set it the claim.
func (r *mpmcRing) closedForPut() error {
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	if r.head.closed.Load() != 0 {
		return r.over
	}
	return nil
}

// blocked looks at a slot that is not free yet, and frees it when its owner is dead.
// It returns nil when there is something new to see.
//
// What a death leaves behind: a slot that is free but not counted.
func (r *mpmcRing) blocked(s *slot, w uint64) (proctab.Owner, error) {
	switch phase := phaseOf(w); {
	case phase == full:
		return ring.Nobody, ErrFull
	case !r.OwnerDead(ownerOf(w)):
		return ownerOf(w), ring.ErrHeld
	case phase == reading:
		r.abandon(s, w)
		return ring.Nobody, nil
	}
	// A message that was never finished. It is the oldest, so that consumers come to it first; as
	// they may all be waiting for something else, go there as one of them.
	_, _, err := r.front()
	if err == ErrEmpty || err == ring.ErrHeld {
		err = nil // the slot is free, or somebody else moves the queue
	}
	return ring.Nobody, err
}

// publish makes the message in a slot that this process has claimed visible, and tells who waits for it.
func (r *mpmcRing) publish(s *slot, p uint64) {
	r.show(s, p)
	r.consumers.Event.Notify()
}

// show is publish without telling anybody.
func (r *mpmcRing) show(s *slot, p uint64) {
	crashpoint.Here("queue.written")
	r.filled.ReleaseMerge()
	// SYNC: filled: the value is written before the word says so. A store does: nobody else
	// changes the word while its owner is alive, and the owner's other goroutines leave a claim alone.
	ring.StoreRelease(&s.state, wordOf(full, ring.Nobody, r.lap(p))) // #1 -> #2
	crashpoint.Here("queue.published")
	if p&r.sample == 0 {
		r.look(p + 1)
	}
}

// look notes how many messages there are up to a position.
func (r *mpmcRing) look(end uint64) {
	got, _ := r.next(&r.gets)
	if n := end - got; n <= r.capacity() { // otherwise they are taken already
		r.head.tally.ObserveDepth(n)
	}
}

// withdraw gives up a claim: its position is skipped as that of a dead process is, but not counted.
// The slot cannot become empty again, as others may have moved the position on. If this process has
// detached meanwhile, it counts as dead, and the slot may be somebody else's by now.
func (r *mpmcRing) withdraw(s *slot, lap uint32) {
	s.state.CompareAndSwap(wordOf(writing, r.Me, lap), wordOf(writing, ring.Nobody, lap))
	crashpoint.Here("queue.withdrawn")
	r.consumers.Event.NotifyAll()
	r.producers.Event.NotifyAll()
	r.tasks.Notify()
}
