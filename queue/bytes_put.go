package queue

import (
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// A claim is a record that this process has in its hands.
type claim struct {
	rec  *record
	size uint64 // of the record
	n    uint64 // bytes of the message
	p    uint64 // position
}

// fits says whether a message of n bytes can ever be put.
func (r *bytesRing) fits(n int) error {
	if uint64(n) > r.longest {
		return fmt.Errorf("queue: a message of %d bytes: at most %d fit, the capacity of the queue: %w", n, r.longest, fs.ErrInvalid)
	}
	return nil
}

// reserve claims a record for a message of n bytes.
//
// Errors: [ErrFull], errBusy, [ErrClosed], [shm.ErrClosed], [shm.ErrCorrupt].
func (r *bytesRing) reserve(n uint64) (c claim, err error) {
	for again := false; ; again = true {
		err = r.locked(r.putLock, func() error {
			var err error
			c, err = r.place(n)
			return err
		})
		if err != ErrFull || again {
			return c, err
		}
		// Nobody may be there to give back what was read, or what the dead have left.
		if err := r.locked(r.getLock, r.sweep); err != nil {
			return c, err
		}
	}
}

// place makes the record, under putLock.
//
// What a death leaves behind: before the last store nothing, after it a record of the dead. The counts may lack one.
func (r *bytesRing) place(n uint64) (c claim, err error) {
	h := r.head
	switch {
	case r.Closer.Closed():
		return c, shm.ErrClosed
	case h.closed.Load() != 0:
		return c, ErrClosed
	}
	tail := h.tail.Load()
	need, gap := recordFor(n), uint64(0)
	if left := r.size() - tail&r.mask; left < need {
		gap = left // a record never wraps
	}
	used := r.used(tail, gap+need)
	if used > r.size() || tail%8 != 0 {
		return c, r.Corrupt
	}
	if gap+need > r.size() && used+gap <= r.size() {
		// Both never fit at once. When the gap has been passed, the record has the whole ring.
		r.gap(tail, gap)
		tail, used, gap = tail+gap, used+gap, 0
		ring.StoreRelease(&h.tail, tail)
		crashpoint.Here("bytes.gap")
	}
	if used+gap+need > r.size() {
		return c, ErrFull
	}
	r.freed.Acquire()
	r.gap(tail, gap)
	c = claim{rec: r.record(tail + gap), size: need, n: n, p: tail + gap}
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

// used is how much of the ring is in use when tail is its end, or more, if that leaves room for so many bytes; under putLock.
func (r *bytesRing) used(tail, bytes uint64) uint64 {
	if used := tail - r.freeSeen.Load(); used <= r.size() && used+bytes <= r.size() {
		return used
	}
	// SYNC: free: what lies before it has been copied.
	free := r.head.free.Load()
	ring.StoreRelease(&r.freeSeen, free)
	return tail - free
}

// countHigh notes how many messages there are if there were never so many, under putLock.
func (r *bytesRing) countHigh() {
	h := r.head
	puts, high := h.puts.Load(), h.tally.HighWater.Load()
	if puts-r.getsSeen.Load() <= high {
		return // there are fewer: since then, some were taken
	}
	gets := h.gets.Load()
	ring.StoreRelease(&r.getsSeen, gets)
	h.tally.ObserveDepth(puts - gets)
}

// gap makes a record that holds nothing.
func (r *bytesRing) gap(p, size uint64) {
	if size >= recordBytes {
		ring.StoreRelease(&r.record(p).state, recWord(recDone, ring.Nobody, size))
	}
}

// publish makes the message in a record visible.
func (r *bytesRing) publish(c claim) error {
	crashpoint.Here("bytes.written")
	if r.Closer.Closed() {
		return shm.ErrClosed // the record counts as a dead process's
	}
	r.filled.ReleaseMerge()
	// SYNC: full: the bytes are written before the word says so. A store does: nobody else changes it while its owner lives.
	ring.StoreRelease(&c.rec.state, recWord(recFull, ring.Nobody, c.size)) // #1 -> #2
	crashpoint.Here("bytes.published")
	if !r.consumers.Event.Quiet() {
		r.consumers.Event.Notify()
	}
	return nil
}

// abort gives a record back without a message.
func (r *bytesRing) abort(c claim) error {
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	ring.StoreRelease(&c.rec.state, recWord(recAborted, ring.Nobody, c.size)) // #1 -> #4
	crashpoint.Here("bytes.aborted")
	if err := r.locked(r.getLock, r.sweep); err != nil && err != errBusy { // errBusy: others sweep, too
		return err
	}
	r.consumers.Event.NotifyAll()
	r.producers.Event.NotifyAll()
	return nil
}
