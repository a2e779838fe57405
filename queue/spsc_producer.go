package queue

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// How closely a producer that finds no room looks for some. The consumer says only now and then which
// places it has read. Where it may be asleep, or busy with something else, the exact look is needed; it costs the consumer a cache miss.
const (
	roughly = false
	exactly = true
)

// room finds out up to which position there is room.
//
// Errors: [ErrFull], [ErrClosed], [ErrRoleTaken], [ErrReserved], [shm.ErrClosed], [shm.ErrCorrupt].
func (r *spsc) room(exact bool) error {
	p := &r.put
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	if p.open {
		return ErrReserved
	}
	if !p.owned {
		if err := r.takePut(); err != nil {
			return err
		}
	}
	// SYNC: freed, read: what lies before them has been copied.
	freed := r.head.freed.Load()
	p.learn(freed + r.capacity())
	p.stream = freed != p.next
	if p.until == p.next && exact {
		read := r.head.read.Load()
		if p.next-read > r.capacity() {
			return r.Corrupt
		}
		p.learn(read + r.capacity())
	}
	switch left := p.until - p.next; {
	case left > r.capacity():
		p.until = p.next // what the words say makes no sense
		return r.Corrupt
	case left > 0:
		r.freed.Acquire()
		return nil
	case r.head.closed.Load() != 0:
		return ErrClosed
	default:
		if exact && !p.filled {
			p.filled = true
			r.head.tally.ObserveDepth(r.capacity())
		}
		return ErrFull
	}
}

// makeRoom waits for room, or says that the message is dropped.
func (q *SPSC[T]) makeRoom(ctx context.Context) error {
	if q.full != ring.DropNewest {
		return q.r.awaitRoom(ctx, q.policy)
	}
	err := q.r.room(exactly)
	if err == ErrFull {
		q.r.head.tally.Dropped.Add(1)
		return ring.ErrDropped
	}
	return err
}

// droppedRest ends a batch of which n messages have no room: one is counted already when err says so.
func (q *SPSC[T]) droppedRest(err error, n int) error {
	if err == ring.ErrDropped {
		q.r.head.tally.Dropped.Add(uint64(n - 1))
		return nil
	}
	return err
}

// learn notes up to which position there is room. An exact look has seen more than the consumer has said.
func (p *putEnd) learn(until uint64) {
	if int64(until-p.until) > 0 {
		p.until = until
	}
}

// begin announces the messages before end, for which there is room. It reports false when the queue or the segment is closed.
//
// It speaks before it looks. Who has closed the queue issues a membarrier, and so does the consumer
// when it finds it closed, once. So either the producer sees that it is closed, or the consumer that a message is on its way. In the same
// way a close of the segment waits for the message, or the producer sees it.
func (r *spsc) begin(end uint64) bool {
	ring.StoreRelease(&r.put.busy, 1)
	ring.Announce(&r.head.begun, end)
	crashpoint.Here("spsc.begun")
	return r.head.closed.Load() == 0 && !r.Closer.Closed()
}

// refuse takes back what begin has announced.
func (r *spsc) refuse() error {
	r.abort()
	r.put.until = r.put.next // the next one asks first
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	return ErrClosed
}

func (r *spsc) abort() {
	ring.StoreRelease(&r.head.begun, r.put.next)
	crashpoint.Here("spsc.aborted")
	ring.StoreRelease(&r.put.busy, 0)
	r.get.Event.Notify() // a consumer that finds the queue closed may wait for this
}

// publish makes the messages before end, which have been begun, visible.
func (r *spsc) publish(end uint64) {
	crashpoint.Here("spsc.written")
	r.filled.ReleaseMerge()
	r.put.next = end
	// SYNC: tail: the values are written before it says so.
	ring.StoreRelease(&r.head.tail, end)
	crashpoint.Here("spsc.published")
	ring.StoreRelease(&r.put.busy, 0)
	if !r.get.Event.Quiet() {
		r.get.Event.Notify()
	}
}
