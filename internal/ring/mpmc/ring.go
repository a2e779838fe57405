// Package mpmc is a ring of slots of fixed size for any number of producers and consumers, each of
// which may die at any instruction. A claim of a slot names the process that has it.
//
// The documentation of package queue has the states of a slot.
package mpmc

import (
	"math/bits"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Ring is one process's view of the slots of a Queue, whatever their values are. All handles of
// the process share it. What it knows of the geometry is checked once, and not read from shared
// memory again.
type Ring struct {
	ring.Queue
	head   *head
	first  *byte  // of the slots
	mask   uint64 // capacity - 1
	shift  uint   // log2 of the capacity
	stride uintptr

	puts cursor // where puts search
	gets cursor

	Producers ring.SpinWait // wait for room
	Consumers ring.SpinWait // wait for messages

	// how many claims of this process are reservations, or messages that a caller looks at
	open   atomic.Int32
	left   departure
	sample uint64 // the high-water mark is looked at where position&sample is 0

	// For the race detector, which does not see mapped memory.
	filled race.Shadow // a put comes before the get of its message
	freed  race.Shadow // a get comes before the put that uses the slot next
}

// sampleEvery is how many messages are put, at least, from one look at the high-water mark to the
// next.
const sampleEvery = 64

// Layout is that of a queue of values of that size.
func Layout(size int) ring.Layout {
	return ring.Layout{Head: headBytes, Stride: (uintptr(size) + slotBytes + 7) &^ 7, Min: 1, Max: ring.MaxCapacity, Joinable: true}
}

// View is this process's view of an object that is a queue of values of that size.
//
// Errors: [segment.ErrCorrupt].
func View(o *segment.Object, size int) (*Ring, error) {
	layout := Layout(size)
	q, err := ring.NewQueue(o, layout)
	if err != nil {
		return nil, err
	}
	capacity, head := q.Capacity(), headIn(o.Payload)
	every := min(hintEvery, capacity) - 1
	r := &Ring{
		Queue:  q,
		head:   head,
		first:  &o.Payload[headBytes],
		mask:   capacity - 1,
		shift:  uint(bits.TrailingZeros64(capacity)),
		stride: layout.Stride,
		puts:   cursor{hint: &head.put, every: every, passed: isWriting},
		gets:   cursor{hint: &head.get, every: every, passed: isReading},
		sample: max(capacity, sampleEvery) - 1,
	}
	r.Producers.Bind(o, head.NotFull[:], lock.RolePut)
	r.Consumers.Bind(o, head.NotEmpty[:], lock.RoleGet)
	o.WhenLeft(r.lookBack)
	return r, nil
}

// Init makes a new queue that begins at position start.
func Init(mem []byte, size int, capacity uint64, joinable bool, start uint64) {
	ring.InitHead(mem, capacity, joinable)
	h := headIn(mem)
	h.put.Store(start)
	h.get.Store(start)
	if start == 0 {
		return // zeros are empty slots of lap 0
	}
	r := Ring{first: &mem[headBytes], mask: capacity - 1, shift: uint(bits.TrailingZeros64(capacity)), stride: Layout(size).Stride}
	for p := start; p != start+capacity; p++ {
		r.slot(p).state.Store(wordOf(empty, ring.Nobody, r.lap(p)))
	}
}

// tries bounds the loops over positions.
func (r *Ring) tries() uint64 { return 2*r.Capacity() + ring.Retries }

// Busy reports whether goroutines of this process have claimed slots, other than to write or read
// there without a copy. Such a claim lasts as long as it takes to copy a message, so Busy waits for
// them to end. It gives up on words that other processes have overwritten, after some seconds.
func (r *Ring) Busy() bool {
	return !r.QuietSoon(func() bool { return r.claims(r.Me) <= max(r.open.Load(), 0) })
}

// claims counts the slots that a process has claimed.
func (r *Ring) claims(o proctab.Owner) (n int32) {
	for p := range r.Capacity() {
		w := r.slot(p).state.Load()
		if phase := phaseOf(w); (phase == writing || phase == reading) && ownerOf(w) == o {
			n++
		}
	}
	return n
}

// Close closes the queue for all processes. Messages that are in it can still be taken.
//
// Errors: [lock.ErrClosed].
func (r *Ring) Close() error {
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	// SYNC: closed: a process that sees the flag sees the claims of all puts that did not.
	r.SetClosed()
	crashpoint.Here("queue.closed")
	r.Consumers.Event.NotifyAll()
	crashpoint.Here("queue.close.told")
	r.Producers.Event.NotifyAll()
	return r.Reached()
}

// Reopen opens a queue that was closed, and is empty.
//
// Errors: [io/fs.ErrInvalid] when messages are left, [lock.ErrClosed].
func (r *Ring) Reopen() error {
	put, got := r.Counts()
	err := r.Queue.Reopen(int(put - got))
	crashpoint.Here("queue.reopened")
	return err
}

// Counts are how many messages were put, and how many of those are not in the queue any more. They
// fit together.
func (r *Ring) Counts() (put, got uint64) {
	for range ring.Retries {
		got, _ = r.next(&r.gets)
		put, _ = r.next(&r.puts)
		if put-got <= r.Capacity() {
			return put, got
		}
	}
	// Other processes are too fast, or the positions contradict each other.
	put = r.puts.from()
	return put, put
}

// PutReady and GetReady report whether the next put, or get, would not have to wait.
func (r *Ring) PutReady() bool {
	_, far := r.next(&r.puts)
	return far >= isEmpty
}

// GetReady is PutReady for a get.
func (r *Ring) GetReady() bool {
	_, far := r.next(&r.gets)
	return far >= isFull
}

// Waited ends a wait at one end, with an error or not. More says that the next put, or get, would
// not have to wait.
//
// It also wakes another sleeper when this one may have used up a wake-up that was meant for both:
// two slots may be claimed in one order and become usable in the other, and the close of the queue
// concerns all.
func (r *Ring) Waited(s *ring.SpinWait, err error, more bool) {
	switch {
	case r.Closed():
		s.Event.NotifyAll()
	case err != nil:
	case more:
		s.Event.Notify()
		s.Adapt(true)
	default:
		s.Adapt(false)
	}
}
