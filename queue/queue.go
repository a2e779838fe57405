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
	"github.com/shmkit/shmkit/internal/ring/mpmc"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
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
	r       *mpmc.Ring // immutable once bound
	seen    *mpmc.Ring // for looks; r, unless the process only reads
	policy  wait.Policy
	full    ring.WhenFull
	waiters sync.Pool // of *waiter[T]
}

// NewQueue finds the Queue of that name in the segment, or makes it, empty. Its
// capacity is rounded up to a power of two messages, at most 2³⁰.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to a queue of
// another type or capacity, or one that is joinable while o is not, or the reverse; a
// [*shm.UnsupportedTypeError]; a [*shm.NoSpaceError]; [shm.ErrTooManyObjects], [shm.ErrRemoved],
// [shm.ErrCorrupt], [shm.ErrClosed]; [io/fs.ErrInvalid] for a bad name, capacity or option.
func NewQueue[T any](seg *shm.Segment, name string, capacity int, o Options) (*Queue[T], error) {
	if err := o.check(name, segment.KindQueue); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	layout := mpmc.Layout(t.Size)
	n, err := ring.SlotsFor(name, capacity, layout.Stride)
	if err != nil {
		return nil, err
	}
	q, err := find(&Queue[T]{policy: wait.Policy(o.Wait), full: o.whenFull()}, seg, segment.Spec{
		Name: name, Kind: segment.KindQueue, Type: t.Format, Size: layout.Size(n, o.processes(seg)),
		Init: func(mem []byte) { mpmc.Init(mem, t.Size, n, o.Joinable, o.start) },
	})
	if err == nil && (q.r.Tasks != nil) != o.Joinable {
		return nil, joinableDiffers(seg, name, !o.Joinable)
	}
	return q, withCapacity(err, capacity, n, layout)
}

// OpenQueue finds the Queue of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrInvalid], [shm.ErrMismatch], a
// [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenQueue[T any](seg *shm.Segment, name string, o Options) (*Queue[T], error) {
	if err := o.check(name, segment.KindQueue); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	return open(&Queue[T]{policy: wait.Policy(o.Wait), full: o.whenFull()}, seg, segment.Spec{Name: name, Kind: segment.KindQueue, Type: t.Format})
}

// UnmarshalBinary makes q a handle of the Queue that another process's MarshalBinary
// wrote down. It must not have been used before.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (q *Queue[T]) UnmarshalBinary(b []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(q, b, segment.KindQueue, t.Format)
}

func (q *Queue[T]) bind(obj *segment.Object) error {
	t, err := elem.Of[T]()
	if err != nil {
		return err
	}
	view := func(o *segment.Object) (*mpmc.Ring, error) { return mpmc.View(o, t.Size) }
	r, seen, err := viewsOf(obj, view, (*mpmc.Ring).Busy)
	if err != nil {
		return err
	}
	q.o, q.r, q.seen, q.bools = obj, r, seen, t.Bools
	return nil
}

// Put appends a message. It waits for room until ctx ends, unless [Options.WhenFull] says
// otherwise. Where there is room at once, the message is put even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: a process has closed the queue.
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
	err := q.awaitRoom(ctx, w, w.put)
	q.waiters.Put(w)
	runtime.KeepAlive(q)
	return err
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull], also when there will be room as soon as a process that is taking a
// message is done; otherwise those of [Queue.Put].
func (q *Queue[T]) TryPut(v T) error {
	_, err := q.tryPut(&v)
	if err == ring.ErrHeld {
		return ErrFull
	}
	return err
}

func (q *Queue[T]) tryPut(v *T) (held proctab.Owner, err error) {
	s, p, held, err := q.r.ClaimPut()
	if err == nil {
		*mpmc.Value[T](s) = *v
		q.r.Publish(s, p)
	}
	runtime.KeepAlive(q)
	return held, err
}

// Get takes the oldest message. It waits for one until ctx ends. A message that is
// there at once is taken even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: a process has closed the queue, and all messages have been taken.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// No message has been taken then. A message that was taken in the instant in which the segment lets
// go of the process counts as abandoned, too.
func (q *Queue[T]) Get(ctx context.Context) (v T, err error) {
	_, err = q.tryGet(&v)
	if err != ErrEmpty && err != ring.ErrHeld {
		return v, err
	}
	return q.getSlow(ctx)
}

func (q *Queue[T]) getSlow(ctx context.Context) (v T, err error) {
	w := q.newWaiter()
	if err = q.awaitMessage(ctx, w, w.get); err == nil {
		v = w.value
	}
	q.waiters.Put(w)
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
	s, p, held, err := q.r.ClaimGet()
	if err == nil {
		*v = *mpmc.Value[T](s)
		elem.MendAt(q.bools, v)
		if err = q.r.Release(s, p); err != nil {
			err = q.landed(v, p, err)
		}
	}
	runtime.KeepAlive(q)
	return held, err
}

// landed sets *v to the message at a position that was not released because of err, if this process
// has it for certain. Otherwise it is zero.
func (q *Queue[T]) landed(v *T, p uint64, err error) error {
	*v = *new(T)
	if own := q.r.Landed(p); own != nil {
		*v = *mpmc.Value[T](own)
		elem.MendAt(q.bools, v)
		err = nil
	}
	return err
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

// Len is how many messages are in the queue, those included that are being written.
// While other processes are at work it is out of date when it is returned.
func (q *Queue[T]) Len() int {
	put, got := q.seen.Counts()
	if q.o.Vanished() {
		return 0
	}
	runtime.KeepAlive(q)
	return int(put - got)
}

// Cap is how many messages the queue can hold: the capacity that was asked for, rounded up to a
// power of two.
func (q *Queue[T]) Cap() int { return int(q.r.Capacity()) }

// Close closes the queue for all processes, until [Queue.Reopen]. Nothing can be put any more; what
// is in it can still be taken, and after that every Get returns [ErrClosed]. All waiters look
// again. A Put that is under way either returns [ErrClosed], or its message is delivered. Close may
// be called again.
//
// Errors: [shm.ErrClosed].
func (q *Queue[T]) Close() error {
	err := q.r.Close()
	runtime.KeepAlive(q)
	return err
}

// Reopen opens a queue that was closed, for all processes, as a program does that begins anew with
// the queue of its last run. It does nothing when the queue is open.
//
// Errors: [io/fs.ErrInvalid] when messages are left in it, which would mix with those to come: take
// them first; [shm.ErrClosed].
func (q *Queue[T]) Reopen() error {
	err := q.r.Reopen()
	runtime.KeepAlive(q)
	return err
}

// Closed reports whether a process has closed the queue. There may still be messages in it.
func (q *Queue[T]) Closed() bool {
	closed := q.seen.Closed() && !q.o.Vanished()
	runtime.KeepAlive(q)
	return closed
}

// TaskDone says that this process is done with a message that it took from a joinable queue by
// Get, TryGet, GetBatch, All or Peek.
//
// Errors:
//   - [ErrNotHeld]: the process has said so of all messages that it took.
//   - [io/fs.ErrInvalid]: the queue is not joinable.
//   - [shm.ErrClosed].
func (q *Queue[T]) TaskDone() error {
	err := q.r.Tasks.Done()
	runtime.KeepAlive(q)
	return err
}

// Join waits until the queue is empty, and all messages that were taken are done, or their process
// is dead, or until ctx ends.
//
// Errors: the context's error; [io/fs.ErrInvalid] when the queue is not joinable; [shm.ErrClosed],
// [shm.ErrCorrupt].
func (q *Queue[T]) Join(ctx context.Context) error {
	err := q.late(ctx, q.r.Tasks.Join(ctx, q.r.Joined), "all messages to be done", ring.Nobody, "")
	runtime.KeepAlive(q)
	return err
}
