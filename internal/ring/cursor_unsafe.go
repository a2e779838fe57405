package ring

import (
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Cursor is one process's view of the positions of a ring with one producer and one consumer: how
// far each end has come, and what it knows of the other. A position counts from the first that was
// ever used, and may wrap.
//
//	freed <= read <= tail,  tail - read <= capacity
//
// Each end looks at the other's words only when it has come to the end of what it knows. The
// consumer says what is free again for many positions at once, as each time costs both ends a cache
// miss; what it has read it says for each, in a word that the producer looks at only before it
// sleeps.
type Cursor struct {
	Put ProducerEnd
	_   [128]byte // the two ends may be at work on two processors
	Get ConsumerEnd

	words  CursorWords
	first  *byte   // the place of position 0
	mask   uint64  // capacity - 1
	stride uintptr // bytes from one place to the next
	batch  uint64  // how many positions the consumer gathers before it gives them back

	// For the race detector, which does not see mapped memory.
	filled race.Shadow // a put comes before the get of its message
	freed  race.Shadow // a get comes before the put that uses the place next
}

// CursorWords are the words of a cursor in shared memory.
type CursorWords struct {
	Tail  *atomic.Uint64 // by the producer: earlier positions are published
	Freed *atomic.Uint64 // by the consumer, now and then: earlier positions are free again
	Read  *atomic.Uint64 // by the consumer: earlier positions have been read
}

// Start lets a new ring begin at a position.
func (w CursorWords) Start(position uint64) {
	w.Tail.Store(position)
	w.Freed.Store(position)
	w.Read.Store(position)
}

// A ProducerEnd is what the process knows as the producer. One goroutine at a time uses it.
type ProducerEnd struct {
	Next  uint64 // position of the next message
	Until uint64 // there is room for earlier positions
	Lags  bool   // the consumer had not freed all positions when it was last looked at
	SpinWait
}

// A ConsumerEnd is what the process knows as the consumer. One goroutine at a time uses it.
type ConsumerEnd struct {
	Next  uint64 // position of the next message
	Until uint64 // earlier positions are published
	Given uint64 // earlier positions have been said to be free
	SpinWait
}

// Bind views the words, the places in mem, which lie stride bytes apart, and the event counts in
// notFull and notEmpty. All are parts of the object. There are as many places as a power of two
// says.
func (c *Cursor) Bind(o *segment.Object, w CursorWords, mem []byte, stride uintptr, batch uint64, notFull, notEmpty []byte) {
	c.words, c.first, c.stride, c.batch = w, unsafe.SliceData(mem), stride, batch
	c.mask = uint64(len(mem))/uint64(stride) - 1
	c.Put.Single, c.Get.Single = true, true
	c.Put.Bind(o, notFull, lock.RolePut)
	c.Get.Bind(o, notEmpty, lock.RoleGet)
}

// Capacity is how many positions the ring has room for.
func (c *Cursor) Capacity() uint64 { return c.mask + 1 }

// Place is where the message of a position begins.
func (c *Cursor) Place(p uint64) *byte {
	return (*byte)(unsafe.Add(unsafe.Pointer(c.first), uintptr(p&c.mask)*c.stride))
}

// Value views the message of a position as a T. Places have room for the element type of their
// ring.
func Value[T any](c *Cursor, p uint64) *T { return (*T)(unsafe.Pointer(c.Place(p))) }

// Run views the messages from a position on as a slice of at most n. It ends at the end of the ring
// at the latest, and after the first message where there are gaps between messages. N must not be
// 0.
func Run[T any](c *Cursor, p, n uint64) []T {
	first := Value[T](c, p)
	if c.stride != unsafe.Sizeof(*first) {
		return unsafe.Slice(first, 1)
	}
	return unsafe.Slice(first, min(n, c.Capacity()-p&c.mask))
}

// FindRoom finds out up to which position there is room. It looks at what the consumer has freed,
// and then, when it is exact and less than need is free, at what the consumer has read, which costs
// the consumer a cache miss. FindRoom reports false when the words contradict each other.
func (c *Cursor) FindRoom(exact bool, need uint64) bool {
	p := &c.Put
	// SYNC: freed, read: what lies before them has been copied.
	freed := c.words.Freed.Load()
	p.Lags = freed != p.Next
	c.extend(freed)
	if exact && p.Until-p.Next < need {
		read := c.words.Read.Load()
		if p.Next-read > c.Capacity() {
			return false
		}
		c.extend(read)
	}
	if p.Until-p.Next > c.Capacity() {
		p.Until = p.Next
		return false
	}
	if p.Until != p.Next {
		c.freed.Acquire()
	}
	return true
}

// extend notes that what lies before a position is free. An exact look has seen more than the
// consumer has freed.
func (c *Cursor) extend(free uint64) {
	if until := free + c.Capacity(); int64(until-c.Put.Until) > 0 {
		c.Put.Until = until
	}
}

// Publish makes what lies before end visible. The caller wakes the consumer.
func (c *Cursor) Publish(end uint64) {
	c.filled.ReleaseMerge()
	c.Put.Next = end
	// SYNC: tail: the messages are written before it says so.
	StoreRelease(c.words.Tail, end)
}

// FindMessages finds out up to which position there are messages. It reports false when the tail is
// that of no ring.
func (c *Cursor) FindMessages() bool {
	g := &c.Get
	// SYNC: tail: what lies before it has been written.
	g.Until = c.words.Tail.Load()
	if g.Until-g.Next > c.Capacity() {
		g.Until = g.Next
		return false
	}
	if g.Until != g.Next {
		c.filled.Acquire()
	}
	return true
}

// Consume notes that what lies before end has been read. The caller frees it, now and then, and
// wakes the producer.
func (c *Cursor) Consume(end uint64) {
	c.freed.ReleaseMerge()
	c.Get.Next = end
	// SYNC: read: the messages have been copied before it says so.
	StoreRelease(c.words.Read, end)
}

// FreeDue reports whether the consumer has gathered enough positions to [Cursor.Free] them.
func (c *Cursor) FreeDue() bool { return c.Get.Next-c.Get.Given >= c.batch }

// Free tells the producer which positions have been read. It reports false when there is nothing to
// tell.
func (c *Cursor) Free() bool {
	g := &c.Get
	if g.Given == g.Next {
		return false
	}
	g.Given = g.Next
	StoreRelease(c.words.Freed, g.Next)
	return true
}

// TailPolls is how many looks in a row PollTail takes.
const TailPolls = 8

// FetchMessage has the place of the next message on its way while the consumer looks at the tail;
// see PollTail.
func (c *Cursor) FetchMessage() { cpu.Prefetch(c.Place(c.Get.Next)) }

// PollTail returns when the consumer has more than it knew of, or after a few looks at the tail
// alone. The quicker a look is, the sooner a message is seen. The place of the next message is
// fetched together with the tail that announces it: one after the other would take twice as long.
func (c *Cursor) PollTail() {
	cpu.Poll((*uint64)(unsafe.Pointer(c.words.Tail)), c.Get.Next, c.Place(c.Get.Next), TailPolls)
}
