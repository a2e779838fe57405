package ring

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Cursor is one process's view of the positions of a ring with one producer and one consumer: how far each end has
// come, and what it knows of the other. A position counts from the first that was ever used, and may wrap.
//
//	freed <= read <= tail,  tail - read <= capacity
//
// Each end looks at the other's words only when it has come to the end of what it knows. The consumer says what is
// free again for many positions at once, as each time costs both ends a cache miss; what it has read it says for each,
// in a word that the producer looks at only before it sleeps.
type Cursor struct {
	Put ProducerEnd
	_   [128]byte // the two ends may be at work on two processors
	Get ConsumerEnd

	words    CursorWords
	capacity uint64
	batch    uint64 // how many positions the consumer gathers before it gives them back

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

// Bind views the words, and the event counts in notFull and notEmpty, which are parts of the object.
func (c *Cursor) Bind(o *segment.Object, w CursorWords, notFull, notEmpty []byte, capacity, batch uint64) {
	c.words, c.capacity, c.batch = w, capacity, batch
	c.Put.Single, c.Get.Single = true, true
	c.Put.Bind(o, notFull, lock.RolePut)
	c.Get.Bind(o, notEmpty, lock.RoleGet)
}

// Capacity is how many positions the ring has room for.
func (c *Cursor) Capacity() uint64 { return c.capacity }

// FindRoom finds out up to which position there is room. It looks at what the consumer has freed, and then, when it is
// exact and less than need is free, at what the consumer has read, which costs the consumer a cache miss. FindRoom
// reports false when the words contradict each other.
func (c *Cursor) FindRoom(exact bool, need uint64) bool {
	p := &c.Put
	// SYNC: freed, read: what lies before them has been copied.
	freed := c.words.Freed.Load()
	p.Lags = freed != p.Next
	c.extend(freed)
	if exact && p.Until-p.Next < need {
		read := c.words.Read.Load()
		if p.Next-read > c.capacity {
			return false
		}
		c.extend(read)
	}
	if p.Until-p.Next > c.capacity {
		p.Until = p.Next
		return false
	}
	if p.Until != p.Next {
		c.freed.Acquire()
	}
	return true
}

// extend notes that what lies before a position is free. An exact look has seen more than the consumer has freed.
func (c *Cursor) extend(free uint64) {
	if until := free + c.capacity; int64(until-c.Put.Until) > 0 {
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

// FindMessages finds out up to which position there are messages, and fetches the place of the next one meanwhile; see
// [PollTail]. It reports false when the tail makes no sense.
func (c *Cursor) FindMessages(place *byte) bool {
	g := &c.Get
	cpu.Prefetch(place)
	// SYNC: tail: what lies before it has been written.
	g.Until = c.words.Tail.Load()
	if g.Until-g.Next > c.capacity {
		g.Until = g.Next
		return false
	}
	if g.Until != g.Next {
		c.filled.Acquire()
	}
	return true
}

// Consume notes that what lies before end has been read. The caller frees it, now and then, and wakes the producer.
func (c *Cursor) Consume(end uint64) {
	c.freed.ReleaseMerge()
	c.Get.Next = end
	// SYNC: read: the messages have been copied before it says so.
	StoreRelease(c.words.Read, end)
}

// FreeDue reports whether the consumer has gathered enough positions to [Cursor.Free] them.
func (c *Cursor) FreeDue() bool { return c.Get.Next-c.Get.Given >= c.batch }

// Free tells the producer which positions have been read. It reports false when there is nothing to tell.
func (c *Cursor) Free() bool {
	g := &c.Get
	if g.Given == g.Next {
		return false
	}
	g.Given = g.Next
	StoreRelease(c.words.Freed, g.Next)
	return true
}

// PollTail is [PollTail] for the consumer.
func (c *Cursor) PollTail(place *byte) { PollTail(c.words.Tail, c.Get.Next, place) }
