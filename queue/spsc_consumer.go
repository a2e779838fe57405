package queue

import (
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
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
	if r.closer.Closed() {
		return shm.ErrClosed
	}
	if !c.owned {
		if err := r.takeGet(); err != nil {
			return err
		}
	}
	// SYNC: tail: what lies before it has been written.
	c.until = r.head.tail.Load()
	switch n := c.until - c.next; {
	case n > r.capacity():
		c.until = c.next // what the words say makes no sense
		return r.bad
	case n > 0:
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
	// A put that has not seen the flag has begun, and shows that after the barrier.
	barrier()
	begun := r.head.begun.Load()
	if r.head.tail.Load() != r.get.next || begun != r.get.next && !r.table.Dead(r.producer()) {
		return ErrEmpty // it is going to end
	}
	return ErrClosed
}

// barrier makes what all other processes have written before it visible to what this one reads after it.
func barrier() {
	if !futex.Membarrier() {
		time.Sleep(500 * time.Microsecond) // stores do not linger for so long
	}
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

// finish notes that the messages before end have been read.
func (r *spsc) finish(end uint64) {
	c := &r.get
	crashpoint.Here("spsc.copied")
	r.freed.ReleaseMerge()
	c.next = end
	// SYNC: read: the values have been copied before it says so.
	storeRelease(&r.head.read, end)
	crashpoint.Here("spsc.read")
	if end-c.given >= r.batch {
		r.free()
	}
	if !r.put.event.Quiet() { // a producer that sleeps looks at read itself
		r.put.event.Notify()
	}
}

// free tells the producer which places have been read.
func (r *spsc) free() {
	if c := &r.get; c.given != c.next {
		c.given = c.next
		storeRelease(&r.head.freed, c.next)
		crashpoint.Here("spsc.freed")
	}
}
