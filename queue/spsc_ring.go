package queue

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

// An spsc is one process's view of an SPSC, whatever its values are. All handles of
// the process share it.
//
// A position counts messages from the first that was ever put; it may wrap. A message is
// begun, then published by the tail, then read. Its place in the ring is free again when the consumer says
// so, which it does every few dozen messages, or when the producer sleeps for it.
//
//	freed <= read <= tail <= begun,  tail - read <= capacity
type spsc struct {
	head   *spscHead
	first  *byte  // of the values
	mask   uint64 // capacity - 1
	stride uintptr
	batch  uint64 // how many places the consumer gathers before it gives them back
	ring.View

	put putEnd
	get getEnd

	// For the race detector, which does not see mapped memory.
	filled race.Shadow // a put comes before the get of its message
	freed  race.Shadow // a get comes before the put that uses the place next
}

// A putEnd is what the process knows as the producer. One goroutine at a time uses it.
type putEnd struct {
	next  uint64 // position of the next message
	until uint64 // there is room for earlier positions, and this process is the producer
	owned bool   // this process has the role
	err   error  // what the last look has found

	busy   atomic.Uint64 // 1: a message is being put, and a close of the segment waits for it
	open   bool          // a place is reserved
	limit  uint64        // until, as it was before the place was reserved
	filled bool          // the queue was seen full
	stream bool          // the consumer was behind when room was last looked for
	ring.SpinWait

	look, stare func() bool // report whether a wait is over, roughly and exactly
}

// A getEnd is what the process knows as the consumer. One goroutine at a time uses it.
type getEnd struct {
	next  uint64 // position of the next message
	until uint64 // earlier positions are published, and this process is the consumer
	given uint64 // earlier positions have been said to be free
	owned bool   // this process has the role
	last  bool   // the queue is closed, and all puts that have not seen that have begun visibly
	err   error  // what the last look has found

	busy atomic.Uint64 // 1: a message is being taken, and a close of the segment waits for it
	high uint64        // the most messages that were seen at once
	ring.SpinWait

	look func() bool // reports whether a wait is over
}

// viewSPSC checks what an object's head says against the object's size.
func viewSPSC(o *segment.Object, stride uintptr) (*spsc, error) {
	capacity, rest, err := ring.Layout{Head: spscHeadBytes, Stride: stride, Min: 1, Max: ring.MaxCapacity}.Capacity(o)
	if err != nil {
		return nil, err
	}
	if rest != 0 {
		return nil, ring.Damaged(o)
	}
	head := spscHeadIn(o.Payload)
	r := &spsc{
		View:   ring.NewView(o, "queue"),
		head:   head,
		first:  &o.Payload[spscHeadBytes:][:1][0],
		mask:   capacity - 1,
		stride: stride,
	}
	r.put.Bind(o, head.notFull[:], lock.RolePut)
	r.get.Bind(o, head.notEmpty[:], lock.RoleGet)
	r.put.Single, r.get.Single = true, true
	r.batch = min(giveBack, r.capacity()/2+1)
	r.put.look = func() bool { r.put.err = r.room(roughly); return r.put.err != ErrFull }
	r.put.stare = func() bool { r.put.err = r.room(exactly); return r.put.err != ErrFull }
	r.get.look = func() bool { r.get.err = r.messages(); return r.get.err != ErrEmpty }
	return r, nil
}

// fillSPSC makes a new queue whose first position is start.
func fillSPSC(mem []byte, capacity, start uint64) {
	h := spscHeadIn(mem)
	h.capacity = capacity
	h.tail.Store(start)
	h.freed.Store(start)
	h.begun.Store(start)
	h.read.Store(start)
}

// busy reports whether goroutines of this process are putting or getting just now, and do not come to an end. A place that is
// reserved is no reason to wait: who has it may be waiting himself.
//
// One barrier is enough: what has not announced itself by then sees that the segment is being closed.
func (r *spsc) busy() bool {
	ring.Barrier()
	return !ring.WaitQuiescent(func() bool { return r.put.busy.Load() == 0 && r.get.busy.Load() == 0 })
}

func (r *spsc) capacity() uint64 { return r.mask + 1 }

// length is how many messages there are, which is garbage when the words are.
func (r *spsc) length() (uint64, error) {
	read := r.head.read.Load()
	n := r.head.tail.Load() - read
	if n > r.capacity() && r.head.read.Load() == read { // otherwise others were faster
		return 0, r.Corrupt
	}
	return min(n, r.capacity()), nil
}
