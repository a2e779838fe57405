package queue

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/shm"
)

// Close closes the queue for everyone, for good. Nothing can be put any more; what is
// in it can still be taken, and after that every Get returns [ErrClosed]. All who wait look again. A Put
// that is under way either returns [ErrClosed], or its message is delivered. Close may be called again.
//
// Errors: [shm.ErrClosed].
func (q *Queue[T]) Close() error {
	err := q.r.close()
	runtime.KeepAlive(q)
	return err
}

func (r *ring) close() error {
	if r.closer.Closed() {
		return shm.ErrClosed
	}
	// SYNC: closed: whoever sees the flag sees the claims of all puts that did not.
	r.head.closed.Store(1)
	crashpoint.Here("queue.closed")
	r.consumers.event.NotifyAll()
	crashpoint.Here("queue.close.told")
	r.producers.event.NotifyAll()
	return nil
}

// Closed reports whether somebody has closed the queue. There may still be messages in it.
func (q *Queue[T]) Closed() bool {
	closed := q.r.head.closed.Load() != 0
	runtime.KeepAlive(q)
	return closed
}
