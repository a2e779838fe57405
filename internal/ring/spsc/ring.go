// Package spsc is a ring of slots of fixed size for one producer and one consumer, each of which
// may die at any instruction. There are no claims: the two processes that have the roles own what
// lies at their end.
//
// The documentation of package queue has the orders in which the two ends see each other.
package spsc

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Ring is one process's view of an SPSC, whatever its values are. All handles of the process
// share it.
//
// A position counts messages from the first that was ever put; it may wrap. A message is begun,
// then published by the tail, then read. Its place in the ring is free again when the consumer says
// so, which it does every few dozen messages, or when the producer sleeps for it.
//
//	freed <= read <= tail <= begun,  tail - read <= capacity
type Ring struct {
	ring.Queue
	ring.Cursor
	head   *head
	closer *wait.Closer // that of the Queue; a hop less for Begin, which is inlined
	stride uintptr

	putting atomic.Uint64 // 1: a message is being put, and a close of the segment waits for it
	put     producer
	_       [128]byte     // the two ends may be at work on two processors
	getting atomic.Uint64 // 1: a message is being taken, and a close of the segment waits for it
	get     consumer
}

// A producer is the state that a process keeps in its own memory while it is the producer, beside
// the cursor. One goroutine at a time uses it.
type producer struct {
	owned bool   // this process has the role; the cursor never has room without
	err   error  // what the last look has found
	open  bool   // a place is reserved
	limit uint64 // the cursor's Until, as it was before the place was reserved
	full  bool   // the queue was seen full

	look, lookExactly func() bool // report whether a wait is over
}

// A consumer is the state that a process keeps in its own memory while it is the consumer, beside
// the cursor. One goroutine at a time uses it.
type consumer struct {
	owned   bool   // this process has the role; the cursor never has messages without
	err     error  // what the last look has found
	high    uint64 // the most messages that were seen at once
	fenced  bool   // a barrier was issued since the queue was closed
	closing uint32 // for which closing that was

	look func() bool // reports whether a wait is over
}

// freeEvery is how many places a consumer gathers before it says that they are free: each time
// costs both ends a cache miss.
const freeEvery = 32

// Layout is that of an SPSC of values of that size.
func Layout(size int) ring.Layout {
	return ring.Layout{Head: headBytes, Stride: max(uintptr(size+7)&^7, 8), Min: 1, Max: ring.MaxCapacity}
}

// View is this process's view of an object that is an SPSC of values of that size.
//
// Errors: [segment.ErrCorrupt].
func View(o *segment.Object, size int) (*Ring, error) {
	layout := Layout(size)
	q, err := ring.NewQueue(o, layout)
	if err != nil {
		return nil, err
	}
	r := &Ring{Queue: q, head: headIn(o.Payload), closer: q.Closer, stride: layout.Stride}
	capacity := q.Capacity()
	places := o.Payload[headBytes:][:capacity*uint64(layout.Stride)]
	r.Bind(o, r.head.words(), places, layout.Stride, min(freeEvery, capacity/2+1), r.head.NotFull[:], r.head.NotEmpty[:])
	r.put.look = func() bool { r.put.err = r.room(false); return r.put.err != ring.ErrFull }
	r.put.lookExactly = func() bool { r.put.err = r.room(true); return r.put.err != ring.ErrFull }
	r.get.look = func() bool { r.get.err = r.Messages(); return r.get.err != ring.ErrEmpty }
	return r, nil
}

// Init makes a new queue that begins at position start.
func Init(mem []byte, capacity, start uint64) {
	ring.InitHead(mem, capacity, false)
	h := headIn(mem)
	h.words().Start(start)
	h.begun.Store(start)
}

// Capacity is how many messages the ring has room for.
func (r *Ring) Capacity() uint64 { return r.Cursor.Capacity() }

// toEnd is how many places there are from a position to the end of the ring.
func (r *Ring) toEnd(p uint64) uint64 { return r.Capacity() - p&(r.Capacity()-1) }

// Busy reports whether goroutines of this process are putting or getting just now, and do not come
// to an end. A place that is reserved is no reason to wait: its user may be waiting, too.
//
// One barrier is enough: a goroutine that has not announced itself by then sees that the segment is
// being closed.
func (r *Ring) Busy() bool {
	ring.Barrier()
	return !r.QuietSurely(func() bool { return r.putting.Load() == 0 && r.getting.Load() == 0 })
}

// Len is how many messages there are, which is garbage when the words are.
func (r *Ring) Len() uint64 {
	read := r.head.read.Load()
	return min(r.head.tail.Load()-read, r.Capacity())
}

// Read is how many messages have been read, counted from the position where the queue began.
func (r *Ring) Read() uint64 { return r.head.read.Load() }

// Producer and Consumer are the processes that have the roles, or had them last.
func (r *Ring) Producer() proctab.Owner {
	return proctab.Owner(r.head.producer.Load() & proctab.OwnerMask)
}

// Consumer is the process that has the role of the consumer, or had it last.
func (r *Ring) Consumer() proctab.Owner {
	return proctab.Owner(r.head.consumer.Load() & proctab.OwnerMask)
}

// takePut makes this process the producer, and counts the messages that died with the last one.
//
// What a death leaves behind: messages that are not counted.
func (r *Ring) takePut() error {
	if err := r.TakeRole(&r.head.producer, "producer", lock.RolePut); err != nil {
		return err
	}
	tail, read := r.head.tail.Load(), r.head.read.Load()
	lost := r.head.begun.Load() - tail
	if tail-read > r.Capacity() || lost > r.Capacity() {
		return r.Corrupt()
	}
	if lost > 0 {
		ring.StoreRelease(&r.head.begun, tail)
		crashpoint.Here("spsc.forgotten")
		r.Shared.Abandoned.Add(lost)
		r.Get.Event.NotifyAll() // a consumer that found the queue closed may wait for them
	}
	r.Put.Next, r.Put.Until, r.put.owned = tail, tail, true
	return nil
}

// takeGet makes this process the consumer. A message comes again when its Get had not come to its
// end.
func (r *Ring) takeGet() error {
	if err := r.TakeRole(&r.head.consumer, "consumer", lock.RoleGet); err != nil {
		return err
	}
	read, freed := r.head.read.Load(), r.head.freed.Load()
	if read-freed > r.Capacity() {
		return r.Corrupt()
	}
	r.Get.Next, r.Get.Until, r.Get.Given, r.get.owned = read, read, freed, true
	return nil
}

// Close closes the queue for all processes. Messages that are in it can still be taken.
//
// Errors: [lock.ErrClosed].
func (r *Ring) Close() error {
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	// SYNC: closed: a process that sees the flag sees after a barrier the puts that have not seen
	// it; see Begin.
	r.SetClosed()
	crashpoint.Here("spsc.closed")
	ring.Barrier()
	r.Get.Event.NotifyAll()
	crashpoint.Here("spsc.close.told")
	r.Put.Event.NotifyAll()
	return r.Reached()
}

// Reopen opens a queue that was closed, and is empty.
//
// Errors: [io/fs.ErrInvalid] when messages are left, [lock.ErrClosed].
func (r *Ring) Reopen() error {
	err := r.Queue.Reopen(int(r.Len()))
	crashpoint.Here("spsc.reopened")
	return err
}
