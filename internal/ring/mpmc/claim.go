package mpmc

import (
	"errors"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// ClaimPut claims the next position for a message, and returns its slot.
//
// Errors: [ring.ErrFull], [ring.ErrHeld] with the living process that has to finish first,
// [ring.ErrClosed], [lock.ErrClosed], [segment.ErrCorrupt]; nothing is claimed.
func (r *Ring) ClaimPut() (s *Slot, p uint64, held proctab.Owner, err error) {
	if r.closedForPut() {
		return nil, 0, ring.Nobody, r.whyClosed()
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
				if r.closedForPut() {
					r.withdraw(s, lap)
					return nil, 0, ring.Nobody, r.whyClosed()
				}
				// before the message is written: a locked instruction would wait for that
				r.puts.pass(p)
				r.freed.Acquire()
				return s, p, ring.Nobody, nil
			}
		case isWriting <= stage && stage <= mostPassed: // the position is taken
			r.puts.pass(p)
			p++
		// the last message of this slot is still there
		case isWriting-perLap <= stage && stage <= isReading-perLap:
			held, err := r.occupied(s, w)
			if err != nil {
				return nil, 0, held, err
			}
		default:
			if p, err = r.retryFrom(&r.puts, p); err != nil {
				return nil, 0, ring.Nobody, err
			}
		}
	}
	return nil, 0, ring.Nobody, r.Corrupt()
}

// closedForPut reports whether nothing can be put any more.
//
// A producer asks again when its claim is visible. A process that closes the queue sets the flag
// before it looks for claims, so that either the producer sees the flag, or the closing process the
// claim.
func (r *Ring) closedForPut() bool { return r.Closer.Closed() || r.Shared.ClosedBy.Load() != 0 }

// whyClosed returns the error of a put that finds the queue, or the segment, closed.
func (r *Ring) whyClosed() error {
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	return r.ErrClosed()
}

// occupied looks at a slot that is not free yet, and frees it when its owner is dead. It returns
// nil when there is something new to see.
//
// What a death leaves behind: a slot that is free but not counted.
func (r *Ring) occupied(s *Slot, w uint64) (proctab.Owner, error) {
	switch phase := phaseOf(w); {
	case phase == full:
		return ring.Nobody, ring.ErrFull
	case !r.OwnerDead(ownerOf(w)):
		return ownerOf(w), ring.ErrHeld
	case phase == reading:
		r.abandon(s, w)
		return ring.Nobody, nil
	}
	// A message that was never finished. It is the oldest, so that consumers come to it first. As
	// they may all be waiting for something else, this producer goes there as one of them.
	_, _, err := r.Front()
	if err == ring.ErrEmpty || err == ring.ErrHeld {
		err = nil // the slot is free, or another process moves the queue
	}
	return ring.Nobody, err
}

// Publish makes the message in a slot that this process has claimed visible, and wakes a consumer.
func (r *Ring) Publish(s *Slot, p uint64) {
	r.Store(s, p)
	r.Consumers.Event.Notify()
}

// Store is Publish that wakes no consumer.
func (r *Ring) Store(s *Slot, p uint64) {
	crashpoint.Here("queue.written")
	r.filled.ReleaseMerge()
	// SYNC: filled: the value is written before the word says so. A store suffices: no other
	// process changes the word while its owner is alive, and the owner's other goroutines leave a
	// claim alone.
	s.set(wordOf(full, ring.Nobody, r.lap(p))) // #1 -> #2
	crashpoint.Here("queue.published")
	if p&r.sample == 0 {
		r.sampleDepth(p + 1)
	}
}

// sampleDepth notes how many messages there are up to a position.
func (r *Ring) sampleDepth(end uint64) {
	got, _ := r.next(&r.gets)
	if n := end - got; n <= r.Capacity() { // otherwise they are taken already
		r.Shared.Counters.ObserveDepth(n)
	}
}

// withdraw gives up a claim: its position is skipped as that of a dead process is, but not counted.
// The slot cannot become empty again, as other processes may have moved the position on. If this
// process has detached meanwhile, it counts as dead, and another process may have the slot by now.
func (r *Ring) withdraw(s *Slot, lap uint32) {
	s.state.CompareAndSwap(wordOf(writing, r.Me, lap), wordOf(writing, ring.Nobody, lap))
	crashpoint.Here("queue.withdrawn")
	r.Consumers.Event.NotifyAll()
	r.Producers.Event.NotifyAll()
	r.Tasks.Notify()
}

// claimGet claims the oldest message, and returns its slot.
//
// Errors: [ring.ErrEmpty], [ring.ErrHeld] with the living process that has to finish first,
// [ring.ErrClosed], [lock.ErrClosed], [segment.ErrCorrupt]; nothing is claimed.
func (r *Ring) claimGet() (s *Slot, p uint64, held proctab.Owner, err error) {
	if r.Closer.Closed() {
		return nil, 0, ring.Nobody, r.Closer.Err()
	}
	return r.claimFront()
}

// claimFront is claimGet after its look whether this process closes the segment. A claim that it
// makes when a close has looked for claims is found by lookBack.
func (r *Ring) claimFront() (s *Slot, p uint64, held proctab.Owner, err error) {
	for range r.tries() {
		p, held, err = r.Front()
		if err != nil {
			return nil, 0, held, err
		}
		s = r.slot(p)
		lap := r.lap(p)
		// SYNC: filled: the value was written before the word that this CAS replaces.
		// #2 -> #3
		if s.state.CompareAndSwap(wordOf(full, ring.Nobody, lap), wordOf(reading, r.Me, lap)) {
			crashpoint.Here("queue.taken")
			r.gets.pass(p)
			r.filled.Acquire()
			return s, p, ring.Nobody, nil
		}
	}
	return nil, 0, ring.Nobody, r.Corrupt()
}

// Front returns the position of the oldest message, which may be gone by then. With ErrEmpty and
// ErrClosed that is the position of the next message. On the way Front skips what dead producers
// have left.
//
// Errors: [ring.ErrEmpty], [ring.ErrHeld] with the living process that is writing the message,
// [ring.ErrClosed], [segment.ErrCorrupt].
func (r *Ring) Front() (p uint64, held proctab.Owner, err error) {
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
				return p, ring.Nobody, r.Concluded(r.ErrClosed())
			}
			crashpoint.Here("queue.found.empty")
			if !r.Closed() {
				return p, ring.Nobody, r.Concluded(ring.ErrEmpty)
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
			if p, err = r.retryFrom(&r.gets, p); err != nil {
				return 0, ring.Nobody, err
			}
		}
	}
	return 0, ring.Nobody, r.Corrupt()
}

// abandon frees the slot of an owner that is dead, or has withdrawn, and counts it.
//
// What a death leaves behind: a slot that is free but not counted.
func (r *Ring) abandon(s *Slot, w uint64) {
	if !s.state.CompareAndSwap(w, wordOf(empty, ring.Nobody, lapOf(w)+1)) { // #1, #3 -> #0
		return
	}
	crashpoint.Here("queue.abandoned")
	if ownerOf(w) != ring.Nobody {
		r.Shared.Abandoned.Add(1)
		as := lock.RoleGet
		if phaseOf(w) == writing {
			as = lock.RolePut
		}
		r.GaveUp(ownerOf(w), as)
	}
	crashpoint.Here("queue.counted")
	r.Producers.Event.Notify()
}

// ClaimGet claims the oldest message for a consumer, and counts it as a task where tasks are
// counted; see claimGet.
//
// What a death leaves behind: a task of a dead process, which no joiner waits for.
func (r *Ring) ClaimGet() (s *Slot, p uint64, held proctab.Owner, err error) {
	if r.Tasks == nil {
		return r.claimGet()
	}
	if _, held, err = r.Front(); err != nil { // the usual reason why there is nothing to take
		return nil, 0, held, err
	}
	// The message is counted before it is claimed: Join finds it in the queue or in a count.
	r.Tasks.Add()
	crashpoint.Here("queue.task.added")
	if s, p, held, err = r.claimGet(); err != nil {
		r.Tasks.Drop()
	}
	return s, p, held, err
}

// Release frees the slot of a message that this process has taken and copied, and wakes a producer.
// It returns an error when another process may have the message: [Ring.Landed] knows then.
func (r *Ring) Release(s *Slot, p uint64) error {
	err := r.Free(s, p)
	r.Producers.Event.Notify()
	return err
}

// Free is Release that wakes no producer.
func (r *Ring) Free(s *Slot, p uint64) error {
	crashpoint.Here("queue.read")
	r.freed.ReleaseMerge()
	if r.Closer.Closed() {
		return r.freeClosed(s, r.lap(p))
	}
	// SYNC: freed: the message is read before this release store marks its slot empty. No
	// compare-and-swap is needed: only the owner of the claim changes the word, as in Store.
	s.set(wordOf(empty, ring.Nobody, r.lap(p)+1)) // #3 -> #0
	crashpoint.Here("queue.released")
	return nil
}

// freeClosed is Free while this process closes the segment. A close that saw the claim waits for it
// to end. Otherwise the process may have been detached before the claim, which then no process saw,
// or before the end of the copy, so that other processes took it for dead and freed the slot.
func (r *Ring) freeClosed(s *Slot, lap uint32) error {
	if r.Detached() {
		return r.Closer.Err()
	}
	s.state.CompareAndSwap(wordOf(reading, r.Me, lap), wordOf(empty, ring.Nobody, lap+1))
	r.Producers.Event.NotifyAll()
	return nil
}

// A cursor is where the next put, or get, of a ring begins to search. Slots say what is true: a
// position is passed when its slot has reached a stage. From any position before which all are
// passed, the first that is not is found by looking at one slot after the other.
//
// The hint in shared memory moves on only at every few positions, by the process that passes one of
// them: that takes a locked instruction, which waits until all stores before it have reached
// memory. In between, each process goes by what it has seen itself.
type cursor struct {
	_    [128]byte // nothing else that is written is near
	hint *atomic.Uint64
	// the hint is moved on where position&every is every; a power of two, less 1
	every  uint64
	passed stage         // what the slot of a position that is passed has reached, at least
	seen   atomic.Uint64 // a position that this process has come to; 0: none
	_      [128]byte
}

// hintEvery is how many positions the hint may be behind, but for those of a process that died, or
// is stopped, just when it should move the hint on.
const hintEvery = 8

// from is a position to search from: the hint, or where this process has been later.
func (c *cursor) from() uint64 {
	p, seen := c.hint.Load(), c.seen.Load()
	if seen != 0 && int64(seen-p) > 0 { // positions may wrap
		p = seen
	}
	return p
}

// pass notes that position p is passed, as all before it are.
func (c *cursor) pass(p uint64) {
	ring.StoreRelease(&c.seen, p+1)
	if p&c.every == c.every {
		c.advanceHint(p + 1)
	}
}

// advanceHint moves the hint on to p. It never moves back, as that could take it a lap away. When
// another process moves it at the same time, that is enough.
func (c *cursor) advanceHint(p uint64) {
	if h := c.hint.Load(); int64(p-h) > 0 {
		c.hint.CompareAndSwap(h, p)
		crashpoint.Here("queue.hinted")
	}
}

// mostLaps is how many laps a hint may be behind: more than enough for the deaths of several
// processes in a row which were just about to move it on. A hint that is further behind was
// overwritten.
const (
	mostLaps   = 4
	mostPassed = isEmpty + mostLaps*perLap
)

// next is the first position that is not passed, as far as one can tell while other processes go
// on, and how far its slot is.
func (r *Ring) next(c *cursor) (p uint64, far stage) {
	p = c.from()
	for range mostLaps * r.Capacity() {
		if far = stageOf(r.slot(p).state.Load(), r.lap(p)); far < c.passed || far > mostPassed {
			break
		}
		p++
	}
	return p, far
}

// retryFrom is where to search when the slot of position p made no sense: the words may have
// changed since p was read.
func (r *Ring) retryFrom(c *cursor, p uint64) (uint64, error) {
	if now := c.from(); int64(now-p) > 0 {
		return now, nil
	}
	return p, r.Corrupt()
}

// isOver reports whether an error says that there is no message in the queue.
func isOver(err error) bool { return err == ring.ErrEmpty || errors.Is(err, ring.ErrClosed) }
