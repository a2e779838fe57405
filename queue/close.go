package queue

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// Close closes the queue for everyone, until [Queue.Reopen]. Nothing can be put any more; what is
// in it can still be taken, and after that every Get returns [ErrClosed]. All who wait look again. A Put
// that is under way either returns [ErrClosed], or its message is delivered. Close may be called again.
//
// Errors: [shm.ErrClosed].
func (q *Queue[T]) Close() error {
	err := q.r.close()
	runtime.KeepAlive(q)
	return err
}

func (r *mpmcRing) close() error {
	if r.Closer.Closed() {
		return shm.ErrClosed
	}
	// SYNC: closed: whoever sees the flag sees the claims of all puts that did not.
	r.head.closed.Store(1)
	crashpoint.Here("queue.closed")
	r.consumers.Event.NotifyAll()
	crashpoint.Here("queue.close.told")
	r.producers.Event.NotifyAll()
	return nil
}

// Reopen opens a queue that was closed, for all processes, as a program does that begins anew with the
// queue of its last run. It does nothing when the queue is open.
//
// Errors: [io/fs.ErrInvalid] when there are messages in it, which would mix with those to come: take
// them first. [shm.ErrClosed].
func (q *Queue[T]) Reopen() error {
	defer runtime.KeepAlive(q)
	r := q.r
	switch n := q.Len(); {
	case r.Closer.Closed():
		return shm.ErrClosed
	case r.head.closed.Load() == 0:
		return nil
	case n > 0:
		return segment.Invalid("queue: reopen %q in %s: %d messages are left: take them first", q.Name(), q.o.Seg.Path(), n)
	}
	// SYNC: closed: a Put that sees the flag gone sees what was before it, as one does that comes to a new queue.
	r.head.closed.Store(0)
	crashpoint.Here("queue.reopened")
	return nil
}

// Closed reports whether somebody has closed the queue. There may still be messages in it.
func (q *Queue[T]) Closed() bool {
	closed := q.r.head.closed.Load() != 0
	runtime.KeepAlive(q)
	return closed
}
