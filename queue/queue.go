package queue

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Queue passes values of type T between goroutines of all processes: any number
// of them may put and get at once. Messages come out in the order in which they were put
// in. The queue is bounded.
//
// T must be of fixed size, as for [shm.Value]. Messages are copied in and out.
//
// A Queue is made by [NewQueue] or [OpenQueue], or by UnmarshalBinary of what another
// process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// A Put synchronizes before the return of the Get that takes its message, and the k'th Get
// before the return of the k+Cap'th Put, in any process.
type Queue[T any] struct {
	object
	r       *mpmcRing // immutable once bound
	policy  wait.Policy
	full    ring.WhenFull
	waiters sync.Pool // of *waiter[T]
}

// Put appends a message. It waits for room until ctx ends, unless [Options.WhenFull] says otherwise. Where there is room at
// once, the message is put even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: somebody has closed the queue.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// The message is not in the queue then, and never will be.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	_, err := q.tryPut(&v)
	if err != ErrFull && err != ring.ErrHeld {
		return err
	}
	return ring.UnlessDropped(q.putSlow(ctx, &v))
}

func (q *Queue[T]) putSlow(ctx context.Context, v *T) error {
	w := q.newWaiter()
	w.value = *v
	err := q.await(ctx, w, &q.r.producers, w.put)
	q.waiters.Put(w)
	if err != nil && err != ring.ErrDropped {
		err = q.lateForRoom(ctx, err, q.Len())
	}
	runtime.KeepAlive(q)
	return err
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull], also when there will be room as soon as somebody who is taking a
// message is done; otherwise those of [Queue.Put].
func (q *Queue[T]) TryPut(v T) error {
	_, err := q.tryPut(&v)
	if err == ring.ErrHeld {
		return ErrFull
	}
	return err
}

func (q *Queue[T]) tryPut(v *T) (held proctab.Owner, err error) {
	s, p, held, err := q.r.claimPut()
	if err == nil {
		*valueOf[T](s) = *v
		q.r.publish(s, p)
	}
	runtime.KeepAlive(q)
	return held, err
}

// Get takes the oldest message. It waits for one until ctx ends. A message that is
// there at once is taken even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: somebody has closed the queue, and all messages have been taken.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// No message has been taken then. The exception is a Get of a process that closes the segment in the same
// instant: a message that it had claimed when the segment let go of it is lost, and counts as abandoned.
func (q *Queue[T]) Get(ctx context.Context) (v T, err error) {
	_, err = q.tryGet(&v)
	if err != ErrEmpty && err != ring.ErrHeld {
		return v, err
	}
	return q.getSlow(ctx)
}

func (q *Queue[T]) getSlow(ctx context.Context) (v T, err error) {
	w := q.newWaiter()
	err = q.await(ctx, w, &q.r.consumers, w.get)
	if err == nil {
		v = w.value
	}
	q.waiters.Put(w)
	if err != nil {
		err = q.lateForMessage(ctx, err)
	}
	runtime.KeepAlive(q)
	return v, err
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty], also when the oldest message is still being written, even if
// later ones are complete; otherwise those of [Queue.Get].
func (q *Queue[T]) TryGet() (v T, err error) {
	_, err = q.tryGet(&v)
	if err == ring.ErrHeld {
		err = ErrEmpty
	}
	return v, err
}

// tryGet sets *v, which is zero, when it returns no error.
func (q *Queue[T]) tryGet(v *T) (held proctab.Owner, err error) {
	s, p, held, err := q.r.take()
	if err == nil {
		*v = *valueOf[T](s)
		elem.MendAt(q.bools, v)
		if err = q.r.release(s, p); err != nil {
			*v = *new(T)
		}
	}
	runtime.KeepAlive(q)
	return held, err
}

// All takes messages until the queue is closed and empty. It waits for them until ctx ends.
// An error of [Queue.Get] other than [ErrClosed] is the last thing that it yields, with a zero T.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(v, err) || err != nil {
				return
			}
		}
	}
}
