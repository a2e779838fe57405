package queue

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// ErrLapped says that a reader was too slow: messages that it had not read were overwritten. It comes as a [*LappedError].
var ErrLapped = errors.New("queue: messages were overwritten before they were read")

// A LappedError is an [ErrLapped] that says how many messages the reader has lost. The next one that
// it reads is the oldest that was kept.
type LappedError struct{ Lost uint64 }

func (e *LappedError) Error() string { return fmt.Sprintf("%v: %d are lost", ErrLapped, e.Lost) }

// Unwrap makes [errors.Is] find [ErrLapped].
func (e *LappedError) Unwrap() error { return ErrLapped }

// A broadcast is one process's view of a Broadcast, whatever its values are. All handles
// of the process share it.
//
// The writer goes round the ring and asks nobody. Each slot has a sequence number, as in a sequence lock: a
// reader copies the message and then looks whether it was overwritten meanwhile.
type broadcast struct {
	head   *broadcastHead
	slots  *byte
	mask   uint64 // capacity - 1
	stride uintptr
	ring.View

	next  uint64        // position of the next message, when this process is the writer; one goroutine at a time uses it
	owned bool          // this process is the writer
	open  bool          // the place of the next message is reserved
	puts  ring.SpinWait // used says that the writer is in this process; it never waits
	news  ring.SpinWait // readers wait for messages

	filled race.Shadow // a put comes before the get of its message
}

func broadcastStride(size int) uintptr { return uintptr(size+broadcastSlotBytes+7) &^ 7 }

// viewBroadcast checks what an object's head says against the object's size.
func viewBroadcast(o *segment.Object, stride uintptr) (*broadcast, error) {
	capacity, rest, err := ring.Layout{Head: broadcastHeadBytes, Stride: stride, Min: 1, Max: ring.MaxCapacity}.Capacity(o)
	if err != nil {
		return nil, err
	}
	if rest != 0 {
		return nil, ring.Damaged(o)
	}
	head := broadcastHeadIn(o.Payload)
	r := &broadcast{
		View:   ring.NewView(o, "queue"),
		head:   head,
		slots:  &o.Payload[broadcastHeadBytes],
		mask:   capacity - 1,
		stride: stride,
	}
	r.news.Bind(o, head.news[:], lock.RoleGet)
	return r, nil
}

// fillBroadcast makes a new Broadcast whose first position is start.
func fillBroadcast(mem []byte, capacity uint64, stride uintptr, start uint64) {
	h := broadcastHeadIn(mem)
	h.capacity, h.first = capacity, start
	h.next.Store(start)
	r := broadcast{slots: &mem[broadcastHeadBytes], mask: capacity - 1, stride: stride}
	for p := start; p != start+capacity; p++ {
		r.slot(p).sequence.Store(complete(p - capacity)) // as if it had been written one lap before
	}
}

func (r *broadcast) capacity() uint64 { return r.mask + 1 }

// The sequence numbers of the slot of a position.
func incomplete(p uint64) uint64 { return 2*p + 1 }
func complete(p uint64) uint64   { return 2*p + 2 }

// take makes this process the writer.
//
// What the death of a writer leaves behind, and what becomes of it:
//
//	a slot that is being written       it is written anew; the message counts as abandoned, the one before it is lost
//	a message that is complete, but    readers may have seen it: it is published
//	not published
func (r *broadcast) take() error {
	if err := r.TakeRole(&r.head.writer, "writer"); err != nil {
		return err
	}
	p := r.head.next.Load()
	switch r.slot(p).sequence.Load() {
	case complete(p):
		p++
		ring.StoreRelease(&r.head.next, p)
		crashpoint.Here("broadcast.adopted")
	case incomplete(p):
		r.head.abandoned.Add(1)
		crashpoint.Here("broadcast.counted")
	}
	r.next, r.owned = p, true
	r.puts.Use()
	return nil
}

// begin says that the slot of the next message is about to change, and returns it.
//
// Errors: [ErrClosed], [ErrRoleTaken], [ErrReserved], [shm.ErrClosed].
func (r *broadcast) begin() (*broadcastSlot, error) {
	switch {
	case r.Closer.Closed():
		return nil, shm.ErrClosed
	case r.head.closed.Load() != 0:
		return nil, ErrClosed
	case r.open:
		return nil, ErrReserved
	}
	if !r.owned {
		if err := r.take(); err != nil {
			return nil, err
		}
	}
	s := r.slot(r.next)
	// SYNC: sequence: whoever is copying the old message sees afterwards that it has changed.
	ring.StoreRelease(&s.sequence, incomplete(r.next))
	cpu.StoreFence()
	crashpoint.Here("broadcast.begun")
	return s, nil
}

// publish makes the message in the slot visible, and wakes who sleeps for it.
func (r *broadcast) publish(s *broadcastSlot) {
	r.show(s)
	r.tell()
}

// show makes the message in the slot visible.
func (r *broadcast) show(s *broadcastSlot) {
	crashpoint.Here("broadcast.written")
	r.filled.ReleaseMerge()
	// SYNC: sequence: the value is written before it says so.
	ring.StoreRelease(&s.sequence, complete(r.next))
	crashpoint.Here("broadcast.complete")
	r.next++
	ring.StoreRelease(&r.head.next, r.next)
	crashpoint.Here("broadcast.published")
}

// tell wakes readers that sleep.
func (r *broadcast) tell() {
	if !r.news.Event.Quiet() {
		r.news.Event.NotifyAll()
	}
}

// commit publishes a reserved message.
func (r *broadcast) commit(p place) error {
	if err := r.endReservation(p); err != nil {
		return err
	}
	r.publish(r.slot(p.position))
	return nil
}

// abandonPlace ends a reservation without a message: the slot stays as if it were being written.
func (r *broadcast) abandonPlace(p place) error { return r.endReservation(p) }

func (r *broadcast) endReservation(p place) error {
	switch {
	case r.Closer.Closed():
		return shm.ErrClosed
	case !r.open || p.position != r.next:
		return ErrNotHeld
	}
	r.open = false
	return nil
}

func (r *broadcast) close() error {
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	// SYNC: closed: readers that find nothing more to read look at it.
	r.head.closed.Store(1)
	crashpoint.Here("broadcast.closed")
	r.news.Event.NotifyAll()
	return nil
}
