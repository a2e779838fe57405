package queue

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// TaskDone says that this process is done with a message that it took from a joinable queue by
// Get, TryGet, GetBatch, All or Peek.
//
// Errors:
//   - [ErrNotHeld]: it has said so of all messages that it took.
//   - [io/fs.ErrInvalid]: the queue is not joinable.
//   - [shm.ErrClosed].
func (q *Queue[T]) TaskDone() error {
	err := q.r.tasks.Done()
	runtime.KeepAlive(q)
	return err
}

// Join waits until the queue is empty, and all messages that were taken are done, or their process is dead, or until ctx ends.
//
// Errors: the context's error; [io/fs.ErrInvalid] when the queue is not joinable; [shm.ErrClosed], [shm.ErrCorrupt].
func (q *Queue[T]) Join(ctx context.Context) error {
	err := q.r.tasks.Join(ctx, q.r.joined)
	runtime.KeepAlive(q)
	return err
}

// joined reports whether a Join is over. When it is not, held is the process that is writing the oldest message, if one is.
func (r *mpmcRing) joined() (over bool, held proctab.Owner, err error) {
	for range r.tries() {
		if r.Closer.Closed() {
			return true, ring.Nobody, shm.ErrClosed
		}
		p, held, err := r.front()
		switch {
		case err == nil || err == ring.ErrHeld:
			return false, held, nil
		case !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrClosed):
			return true, ring.Nobody, err
		}
		crashpoint.Here("queue.join.empty")
		for range r.tasks.Unfinished {
			return false, ring.Nobody, nil
		}
		// While nothing is put, seats only empty. So if nothing was, then now nobody has a task.
		if stageOf(r.slot(p).state.Load(), r.lap(p)) <= isEmpty {
			return true, ring.Nobody, nil
		}
	}
	return true, ring.Nobody, r.corrupt()
}
