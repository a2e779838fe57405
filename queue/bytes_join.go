package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// TaskDone says that this process is done with a message that it took from a joinable queue; see [Queue.TaskDone].
func (b *Bytes) TaskDone() error {
	err := b.r.tasks.Done()
	runtime.KeepAlive(b)
	return err
}

// Join waits until the queue is empty, and all messages that were taken are done, or their process is dead, or until ctx
// ends; see [Queue.Join].
func (b *Bytes) Join(ctx context.Context) error {
	err := errBusy
	for err == errBusy {
		if err = b.r.tasks.Join(ctx, b.r.joined); err == errBusy {
			err = b.r.pass(ctx)
		}
	}
	runtime.KeepAlive(b)
	return err
}

// joined reports whether a Join is over. When it is not, held is the process that is writing the oldest message, if one is.
func (r *bytesRing) joined() (over bool, held proctab.Owner, err error) {
	err = r.locked(r.getLock, func() error {
		if err := r.sweep(); err != nil {
			return err
		}
		p, tail := r.head.take.Load(), r.head.tail.Load()
		if p == tail {
			over = true
			return nil
		}
		if _, w, ok := r.at(p, tail); ok && w&recKinds == recWriting {
			held = recOwner(w)
		}
		return nil
	})
	switch {
	case err != nil: // errBusy, too
		return true, ring.Nobody, err
	case r.Closer.Closed():
		return true, ring.Nobody, shm.ErrClosed
	case !over:
		return false, held, nil
	}
	// While nothing is put, seats only empty.
	for range r.tasks.Unfinished {
		return false, ring.Nobody, nil
	}
	return r.head.take.Load() == r.head.tail.Load(), ring.Nobody, nil
}

// TaskDone says that this process is done with a value that it took from a joinable queue; see [Queue.TaskDone].
func (q *Objects[T]) TaskDone() error { return q.b.TaskDone() }

// Join waits until the queue is empty, and all values that were taken are done, or their process is dead, or until ctx
// ends; see [Queue.Join].
func (q *Objects[T]) Join(ctx context.Context) error { return q.b.Join(ctx) }
