// Package seqlock is a ring of slots of fixed size with one writer, which waits for no reader, and
// any number of readers. The writer goes round the ring. Each slot has a sequence number, as in a
// sequence lock: a reader copies the message and then looks whether it was overwritten meanwhile.
package seqlock

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Ring is one process's view of a Broadcast, whatever its values are. All handles of the process
// share it.
type Ring struct {
	ring.Queue
	head   *head
	slots  *byte
	mask   uint64 // capacity - 1
	stride uintptr

	// position of the next message, when this process is the writer; one goroutine at a time uses
	// it
	next     uint64
	owned    bool          // this process is the writer
	reserved bool          // the place of the next message is reserved
	Writer   ring.SpinWait // it never waits, but says whether the writer is in this process
	Readers  ring.SpinWait // wait for messages

	filled race.Shadow // a put comes before the get of its message

	putting atomic.Uint64 // 1: a message is being put, and a close of the segment waits for it
}

// Layout is that of a Broadcast of values of that size.
func Layout(size int) ring.Layout {
	return ring.Layout{Head: headBytes, Stride: uintptr(size+slotBytes+7) &^ 7, Min: 1, Max: ring.MaxCapacity}
}

// View is this process's view of an object that is a Broadcast of values of that size.
//
// Errors: [segment.ErrCorrupt].
func View(o *segment.Object, size int) (*Ring, error) {
	layout := Layout(size)
	q, err := ring.NewQueue(o, layout)
	if err != nil {
		return nil, err
	}
	r := &Ring{
		Queue: q, head: headIn(o.Payload), slots: &o.Payload[headBytes], mask: q.Capacity() - 1, stride: layout.Stride,
	}
	r.Readers.Bind(o, r.head.NotEmpty[:], lock.RoleGet)
	return r, nil
}

// Init makes a new Broadcast that begins at position start.
func Init(mem []byte, size int, capacity, start uint64) {
	ring.InitHead(mem, capacity, false)
	h := headIn(mem)
	h.first = start
	h.next.Store(start)
	r := Ring{slots: &mem[headBytes], mask: capacity - 1, stride: Layout(size).Stride}
	for p := start; p != start+capacity; p++ {
		r.slot(p).sequence.Store(complete(p - capacity)) // as if it had been written one lap before
	}
}

// The sequence numbers of the slot of a position.
func incomplete(p uint64) uint64 { return 2*p + 1 }
func complete(p uint64) uint64   { return 2*p + 2 }

// takeRole makes this process the writer.
//
// What the death of a writer leaves behind, and what becomes of it:
//
//	a slot that is being written       it is written anew; the message counts as abandoned, the one before it is lost
//	a message that is complete, but    readers may have seen it: it is published
//	not published
func (r *Ring) takeRole() error {
	if err := r.TakeRole(&r.head.writer, "writer", lock.RolePut); err != nil {
		return err
	}
	p := r.head.next.Load()
	switch r.slot(p).sequence.Load() {
	case complete(p):
		p++
		ring.StoreRelease(&r.head.next, p)
		crashpoint.Here("broadcast.adopted")
	case incomplete(p):
		r.Shared.Abandoned.Add(1)
		crashpoint.Here("broadcast.counted")
	}
	r.next, r.owned = p, true
	r.Writer.Use()
	return nil
}

// Owner is the process that is the writer, or was it last.
func (r *Ring) Owner() proctab.Owner {
	return proctab.Owner(r.head.writer.Load() & proctab.OwnerMask)
}

// Begin says that the slot of the next message is about to change, and returns it. A close of the
// segment waits until the message is stored, or the place kept.
//
// Errors: [ring.ErrClosed], [ring.ErrRoleTaken], [ring.ErrReserved], [lock.ErrClosed].
func (r *Ring) Begin() (*Slot, error) {
	ring.Announce(&r.putting, 1)
	if err := r.begin(); err != nil {
		ring.StoreRelease(&r.putting, 0)
		return nil, err
	}
	s := r.slot(r.next)
	// SYNC: sequence: a reader that is copying the old message sees afterwards that it has changed.
	ring.StoreRelease(&s.sequence, incomplete(r.next))
	cpu.StoreFence()
	crashpoint.Here("broadcast.begun")
	return s, nil
}

// begin makes this process the writer, unless nothing can be put.
func (r *Ring) begin() error {
	switch {
	case r.Closer.Closed():
		return r.Closer.Err()
	case r.Closed():
		return r.Concluded(r.ErrClosed())
	case r.reserved:
		return ring.ErrReserved
	case !r.owned:
		return r.takeRole()
	}
	return nil
}

// Busy reports whether a goroutine of this process is putting just now, and does not come to an
// end. A place that is reserved is no reason to wait: its user may be waiting, too.
func (r *Ring) Busy() bool {
	// a goroutine that has not announced itself sees that the segment is being closed
	ring.Barrier()
	return !r.QuietSurely(func() bool { return r.putting.Load() == 0 })
}

// Publish makes the message in the slot visible, and wakes the readers.
func (r *Ring) Publish(s *Slot) {
	r.Store(s)
	r.Notify()
}

// Store is Publish that wakes no reader.
func (r *Ring) Store(s *Slot) {
	crashpoint.Here("broadcast.written")
	r.filled.ReleaseMerge()
	// SYNC: sequence: the value is written before it says so.
	ring.StoreRelease(&s.sequence, complete(r.next))
	crashpoint.Here("broadcast.complete")
	r.next++
	ring.StoreRelease(&r.head.next, r.next)
	crashpoint.Here("broadcast.published")
	ring.StoreRelease(&r.putting, 0)
}

// Notify wakes readers that sleep.
func (r *Ring) Notify() {
	if !r.Readers.Event.Quiet() {
		r.Readers.Event.NotifyAll()
	}
}

// NotifyDue reports whether a batch has come to the middle, or the end, of the ring.
func (r *Ring) NotifyDue() bool { return r.next&(r.mask>>1) == 0 }

// Reserve keeps the place of the next message, which Begin has returned, until Commit or Abort. It
// returns the position.
func (r *Ring) Reserve() uint64 {
	r.reserved = true
	// it is no reason to wait: the caller that has reserved it may be waiting, too
	ring.StoreRelease(&r.putting, 0)
	return r.next
}

// Commit publishes the message that was written in place at a position.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Commit(position uint64) error {
	ring.Announce(&r.putting, 1)
	if err := r.Abort(position); err != nil {
		ring.StoreRelease(&r.putting, 0)
		return err
	}
	r.Publish(r.slot(position))
	return nil
}

// Abort ends a reservation without a message: the slot stays as if it were being written.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Abort(position uint64) error {
	switch {
	case r.Closer.Closed():
		return r.Closer.Err()
	case !r.reserved || position != r.next:
		return ring.ErrNotHeld
	}
	r.reserved = false
	return nil
}

// Close says that nothing will be put any more.
//
// Errors: [lock.ErrClosed].
func (r *Ring) Close() error {
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	// SYNC: closed: readers that find nothing more to read look at it.
	r.SetClosed()
	crashpoint.Here("broadcast.closed")
	r.Readers.Event.NotifyAll()
	return r.Reached()
}

// First is the position of the first message, and Next that of the next one.
func (r *Ring) First() uint64 { return r.head.first }

// Next is the position of the next message.
func (r *Ring) Next() uint64 { return r.head.next.Load() }

// Oldest is the position of the oldest message that is kept while next is that of the next one. The
// one before it may be about to be overwritten.
func (r *Ring) Oldest(next uint64) uint64 { return next - min(next-r.head.first, r.mask) }

// Holds reports whether the message of a position is in its slot.
func (r *Ring) Holds(p uint64) bool { return r.slot(p).sequence.Load() == complete(p) }

// Miss says why the slot of a position, in which a number was seen, does not hold its message. The
// next message is then that of the position that Miss returns, when it returns no error.
//
// Errors: [ring.ErrEmpty], [ring.ErrClosed], [segment.ErrCorrupt].
func (r *Ring) Miss(p, seen uint64) (kept uint64, err error) {
	if int64(seen-complete(p)) < 0 { // an earlier message, or this one that is being written
		if !r.Closed() {
			return p, r.Concluded(ring.ErrEmpty)
		}
		// What was put before the close shows in a second look, and may even be overwritten by now.
		switch seen = r.slot(p).sequence.Load(); {
		case int64(seen-complete(p)) < 0:
			return p, r.Concluded(r.ErrClosed())
		case seen == complete(p):
			return p, ring.ErrEmpty // the next look reads it
		}
	}
	kept = r.Oldest(r.Next())
	if int64(kept-p) <= 0 {
		return p, r.Corrupt()
	}
	return kept, nil
}

// Ready reports whether a reader that has come to a position would not find the
// Broadcast empty.
func (r *Ring) Ready(p uint64) bool {
	if r.Closer.Closed() {
		return true
	}
	early := func() bool { return int64(r.slot(p).sequence.Load()-complete(p)) < 0 }
	return !early() || r.Closed()
}
