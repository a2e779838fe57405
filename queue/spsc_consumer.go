package queue

import (
	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// giveBack is how many places a consumer gathers before it says that they are free: each
// time costs both sides a cache miss.
const giveBack = 32

// messages finds out up to which position there are messages.
//
// Errors: [ErrEmpty], [ErrClosed], [ErrRoleTaken], [shm.ErrClosed], [shm.ErrCorrupt].
func (r *spsc) messages() error {
	c := &r.get
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	if !c.owned {
		if err := r.takeGet(); err != nil {
			return err
		}
	}
	cpu.Prefetch(r.place(c.next)) // see glance
	// SYNC: tail: what lies before it has been written.
	c.until = r.head.tail.Load()
	switch n := c.until - c.next; {
	case n > r.capacity():
		c.until = c.next // what the words say makes no sense
		return r.Corrupt
	case n > 0:
		if n > c.high {
			c.high = n
			r.head.tally.ObserveDepth(n)
		}
		r.filled.Acquire()
		return nil
	default:
		return r.vacant()
	}
}

// vacant says why there is no message: whether one may still come.
func (r *spsc) vacant() error {
	r.free() // a producer may wait for the places that were read
	if r.head.closed.Load() == 0 {
		return ErrEmpty
	}
	if !r.get.last {
		ring.Barrier() // a put that has not seen the flag has begun, and shows that from here on
		r.get.last = true
	}
	begun := r.head.begun.Load()
	switch tail := r.head.tail.Load(); {
	case begun-r.get.next > r.capacity():
		return r.Corrupt
	case tail != r.get.next || begun != tail && !r.Table.Dead(r.producer()):
		return ErrEmpty // it is going to end
	}
	return ErrClosed
}

func (r *spsc) producer() proctab.Owner {
	return proctab.Owner(r.head.producer.Load() & proctab.OwnerMask)
}

// watch has a consumer that finds the queue closed notice the death of the producer that it waits for.
func (r *spsc) watch(w *lock.Watch) {
	if r.head.closed.Load() != 0 {
		w.Process(r.producer())
	}
}

// beginGet says that messages are being copied out. It reports false when this process closes the segment: who closes it
// either sees that and waits for [spsc.finish], or is seen here.
func (r *spsc) beginGet() bool {
	ring.Announce(&r.get.busy, 1)
	if r.Closer.Closed() {
		ring.StoreRelease(&r.get.busy, 0)
		r.get.until = r.get.next // the next one asks first
		return false
	}
	return true
}

// finish notes that the messages before end have been read.
func (r *spsc) finish(end uint64) {
	c := &r.get
	crashpoint.Here("spsc.copied")
	r.freed.ReleaseMerge()
	c.next = end
	// SYNC: read: the values have been copied before it says so.
	ring.StoreRelease(&r.head.read, end)
	crashpoint.Here("spsc.read")
	ring.StoreRelease(&c.busy, 0)
	if end-c.given >= r.batch {
		r.free()
	}
	if !r.put.Event.Quiet() { // a producer that sleeps looks at read itself
		r.put.Event.Notify()
	}
}

// free tells the producer which places have been read.
func (r *spsc) free() {
	if c := &r.get; c.given != c.next {
		c.given = c.next
		ring.StoreRelease(&r.head.freed, c.next)
		crashpoint.Here("spsc.freed")
	}
}
