package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// A Claim is a record that this process has in its hands.
type Claim struct {
	rec  *record
	size uint64 // of the record
	n    uint64 // bytes of the message
	p    uint64 // position
}

// Fits says whether a message of n bytes can ever be put.
func (r *Ring) Fits(n int) error {
	if uint64(n) > r.longest {
		return fmt.Errorf("queue: a message of %d bytes: at most %d fit, the capacity of the queue: %w", n, r.longest, fs.ErrInvalid)
	}
	return nil
}

// Reserve claims a record for a message of n bytes.
//
// Errors: [ring.ErrFull], ErrBusy, [ring.ErrClosed], [lock.ErrClosed], [segment.ErrCorrupt].
func (r *Ring) Reserve(n uint64) (c Claim, err error) {
	for again := false; ; again = true {
		err = r.locked(r.PutLock, func() error {
			var err error
			c, err = r.place(n)
			return err
		})
		if err != ring.ErrFull || again {
			return c, err
		}
		// Perhaps no process is left to give back what was read, or what the dead have left.
		if err := r.locked(r.GetLock, r.sweep); err != nil {
			return c, err
		}
	}
}

// place makes the record, under putLock.
//
// What a death leaves behind: before the last store nothing, after it a record of the dead. The
// counts may lack one.
func (r *Ring) place(n uint64) (c Claim, err error) {
	h := r.head
	switch {
	case r.Closer.Closed():
		return c, r.Closer.Err()
	case r.Closed():
		return c, r.Concluded(r.ErrClosed())
	}
	tail := h.tail.Load()
	need, gap := recordFor(n), uint64(0)
	if left := r.Capacity() - tail&r.mask; left < need {
		gap = left // a record never wraps
	}
	used := r.used(tail, gap+need)
	if used > r.Capacity() || tail%8 != 0 {
		return c, r.Corrupt()
	}
	if gap+need > r.Capacity() && used+gap <= r.Capacity() {
		// Both never fit at once. When the gap has been passed, the record has the whole ring.
		r.gap(tail, gap)
		tail, used, gap = tail+gap, used+gap, 0
		ring.StoreRelease(&h.tail, tail)
		crashpoint.Here("bytes.gap")
	}
	if used+gap+need > r.Capacity() {
		return c, r.Concluded(ring.ErrFull)
	}
	r.freed.Acquire()
	r.gap(tail, gap)
	c = Claim{rec: r.record(tail + gap), size: need, n: n, p: tail + gap}
	ring.StoreRelease(&c.rec.length, n)
	ring.StoreRelease(&c.rec.state, recWord(recWriting, r.Me, need))
	crashpoint.Here("bytes.placed")
	// SYNC: tail: the states of all records before it are valid.
	ring.StoreRelease(&h.tail, c.p+need)
	crashpoint.Here("bytes.reserved")
	ring.StoreRelease(&h.puts, h.puts.Load()+1)
	ring.StoreRelease(&h.bytes, h.bytes.Load()+n)
	r.countHigh()
	return c, nil
}

// used is how much of the ring is in use when tail is its end, or more, if that leaves room for so
// many bytes; under putLock.
func (r *Ring) used(tail, bytes uint64) uint64 {
	if used := tail - r.freeSeen.Load(); used <= r.Capacity() && used+bytes <= r.Capacity() {
		return used
	}
	// SYNC: free: what lies before it has been copied.
	free := r.head.free.Load()
	ring.StoreRelease(&r.freeSeen, free)
	return tail - free
}

// countHigh notes how many messages there are if there were never so many, under putLock.
func (r *Ring) countHigh() {
	h := r.head
	puts, high := h.puts.Load(), h.Counters.HighWater.Load()
	if puts-r.getsSeen.Load() <= high {
		return // there are fewer: since then, some were taken
	}
	gets := h.gets.Load()
	ring.StoreRelease(&r.getsSeen, gets)
	h.Counters.ObserveDepth(puts - gets)
}

// Publish makes the message in a record visible.
//
// Errors: [lock.ErrClosed], the message is not in the queue then.
func (r *Ring) Publish(c Claim) error {
	crashpoint.Here("bytes.written")
	r.filled.ReleaseMerge()
	if r.Closer.Closed() {
		if err := r.endClosed(c, recWriting, recFull); err != nil {
			return err
		}
	} else {
		// SYNC: full: the bytes are written before the word says so. A store
		// suffices: no other process changes it while its owner lives.
		ring.StoreRelease(&c.rec.state, recWord(recFull, ring.Nobody, c.size)) // #1 -> #2
	}
	crashpoint.Here("bytes.published")
	if !r.Consumers.Event.Quiet() {
		r.Consumers.Event.Notify()
	}
	return nil
}

// ClaimNext claims the oldest message.
//
// Errors: [ring.ErrEmpty], errHeld with the living process that is writing the oldest, ErrBusy,
// [ring.ErrClosed], [lock.ErrClosed], [segment.ErrCorrupt].
func (r *Ring) ClaimNext() (c Claim, held proctab.Owner, err error) {
	if r.Tasks == nil {
		return r.claimFront(false)
	}
	// before the message leaves the queue, so that it is always seen in one of the two
	r.Tasks.Add()
	if c, held, err = r.claimFront(false); err != nil {
		r.Tasks.Drop()
	}
	return c, held, err
}

// claimFront is ClaimNext that counts no task. With alone it claims the message only when no
// process reads one that was taken before it, and else returns ring.ErrHeld.
func (r *Ring) claimFront(alone bool) (c Claim, held proctab.Owner, err error) {
	err = r.locked(r.GetLock, func() error {
		if r.Closer.Closed() {
			return r.Closer.Err()
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
		return r.Corrupt()
	})
	return c, held, err
}

// errGap says that a producer has made a gap since the last sweep.
var errGap = errors.New("queue: a gap comes next")

// front claims the record at take, which sweep has moved over all gaps, under getLock.
//
// What a death leaves behind: before the second store a record that a dead process reads and that
// is not taken yet, which sweep takes; after it a record of the dead. The count may lack one.
func (r *Ring) front() (c Claim, held proctab.Owner, err error) {
	h := r.head
	closed := r.Closed() // it was set under putLock: the tail that is read after it is the last
	p := h.take.Load()
	tail := r.tailBeyond(p)
	if p == tail {
		if closed {
			return c, ring.Nobody, r.Concluded(r.ErrClosed())
		}
		return c, ring.Nobody, r.Concluded(ring.ErrEmpty)
	}
	rec, w, ok := r.at(p, tail)
	if !ok {
		return c, ring.Nobody, r.Corrupt()
	}
	size := w & recSizeMask
	switch w & recKinds {
	case recDone, recAborted:
		return c, ring.Nobody, errGap
	case recFull:
		n := rec.length.Load()
		if n > size-recordBytes {
			return c, ring.Nobody, r.Corrupt()
		}
		c = Claim{rec: rec, size: size, n: n, p: p}
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
		return c, ring.Nobody, r.Corrupt()
	}
}

// tailBeyond is the end of the records, or an earlier one that lies behind p if this process has
// seen one; under getLock.
func (r *Ring) tailBeyond(p uint64) uint64 {
	tail := r.tailSeen.Load()
	if ahead := tail - p; ahead == 0 || ahead > r.Capacity() {
		// SYNC: tail: the states of all records before it are valid.
		tail = r.head.tail.Load()
		ring.StoreRelease(&r.tailSeen, tail)
	}
	return tail
}

// sweep moves take over gaps and over what dead producers have left, and free over all that
// no process needs, under getLock.
func (r *Ring) sweep() error {
	h := r.head
	take, free := h.take.Load(), h.free.Load()
	tail := r.tailBeyond(take)
	if tail-take > r.Capacity() || tail-free > r.Capacity() || tail-take > tail-free {
		return r.Corrupt()
	}
	left := false // a message that no consumer will get
	for take != tail {
		rec, w, ok := r.at(take, tail)
		if !ok {
			return r.Corrupt()
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
		if tail = r.tailBeyond(take); tail-take > r.Capacity() {
			return r.Corrupt()
		}
	}
	if left {
		r.Tasks.Notify()
	}
	moved := false
	for free != take {
		rec, w, ok := r.at(free, take)
		if !ok {
			return r.Corrupt()
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
		r.Producers.Event.Notify()
	}
	return nil
}

// Release gives back a record that was read.
//
// Errors: [lock.ErrClosed], what was read may be nothing then.
func (r *Ring) Release(c Claim) error {
	crashpoint.Here("bytes.copied")
	r.freed.ReleaseMerge()
	if r.Closer.Closed() {
		if err := r.endClosed(c, recReading, recDone); err != nil {
			return err
		}
	} else {
		// SYNC: done: the bytes are read before the word says so. A store suffices, as in Publish.
		ring.StoreRelease(&c.rec.state, recWord(recDone, ring.Nobody, c.size)) // #3 -> #5
	}
	crashpoint.Here("bytes.released")
	if r.Producers.Event.Awaited() { // a producer that does not sleep yet sweeps itself
		if err := r.locked(r.GetLock, r.sweep); err == ErrBusy {
			r.Producers.Event.Notify() // it can sweep as well
		}
	}
	return nil
}

// atOnce is a context for the locks of a ring: they are held for nanoseconds, and to spin for them
// is enough, unless their holder is stopped.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// lockTries is how often a lock of the ring is asked for, which spins each time.
const lockTries = 16

// ErrBusy says that a lock of the ring was not free for longer than it should be.
var ErrBusy = errors.New("queue: the queue is held up")

// locked runs f under a lock of the ring. All that is done there takes effect with one store, so
// that the death of a holder leaves nothing to repair. The stores need no fence: a reader without
// the lock sees them in their order.
//
// Errors: ErrBusy, [lock.ErrClosed], [segment.ErrCorrupt], that of f.
func (r *Ring) locked(m *lock.Mutex, f func() error) error {
	err := m.Lock(atOnce)
	for try := 0; errors.Is(err, context.Canceled) && try < lockTries; try++ {
		runtime.Gosched() // to another goroutine of this process, perhaps
		err = m.Lock(atOnce)
	}
	if errors.Is(err, context.Canceled) {
		return ErrBusy
	}
	if err = r.entered(m, err); err != nil {
		return err
	}
	err = f()
	if !m.TryUnlock() {
		return r.Corrupt()
	}
	return err
}

// entered is what the error of a lock means. The lock is held when it returns nil.
func (r *Ring) entered(m *lock.Mutex, err error) error {
	switch {
	case err == nil, errors.Is(err, lock.ErrOwnerDied) && m.TryMarkConsistent():
		return nil
	case errors.Is(err, lock.ErrClosed):
		return r.Closer.Err()
	}
	return r.Corrupt()
}
