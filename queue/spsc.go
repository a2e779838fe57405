package queue

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/spsc"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// An SPSC passes values of type T from one process, the producer, to one other, the
// consumer; both may be the same. It is the fastest of the queues.
//
// The first process that puts is the producer, and the first that gets the consumer, until it dies
// or closes the segment: then another one can take over. Within a process one goroutine at a time
// may put, and one may get; the race detector notices when that is broken.
//
// T must be of fixed size, as for [shm.Value]. Messages come out in the order in which they were
// put in. The queue is bounded.
//
// An SPSC is made by [NewSPSC] or [OpenSPSC], or by UnmarshalBinary of what another process's
// MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// A Put synchronizes before the return of the Get that takes its message, and the k'th Get
// before the return of the k+Cap'th Put, in any process.
type SPSC[T any] struct {
	object
	r      *spsc.Ring // immutable once bound
	seen   *spsc.Ring // for looks; r, unless the process only reads
	policy wait.Policy
	full   ring.WhenFull
}

// NewSPSC finds the SPSC of that name in the segment, or makes it, empty. Its capacity is
// rounded up to a power of two messages, at most 2³⁰.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to a queue of
// another type or capacity; a [*shm.UnsupportedTypeError]; a [*shm.NoSpaceError];
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; [io/fs.ErrInvalid]
// for a bad name or capacity, or options that an SPSC cannot have.
func NewSPSC[T any](seg *shm.Segment, name string, capacity int, o Options) (*SPSC[T], error) {
	if err := o.check(name, segment.KindSPSC); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	layout := spsc.Layout(t.Size)
	n, err := ring.SlotsFor(name, capacity, layout.Stride)
	if err != nil {
		return nil, err
	}
	q, err := find(&SPSC[T]{policy: wait.Policy(o.Wait), full: o.whenFull()}, seg, segment.Spec{
		Name: name, Kind: segment.KindSPSC, Type: t.Format, Size: layout.Size(n, 0),
		Init: func(mem []byte) { spsc.Init(mem, n, o.start) },
	})
	return q, withCapacity(err, capacity, n, layout)
}

// OpenSPSC finds the SPSC of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrInvalid], [shm.ErrMismatch], a
// [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenSPSC[T any](seg *shm.Segment, name string, o Options) (*SPSC[T], error) {
	if err := o.check(name, segment.KindSPSC); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	return open(&SPSC[T]{policy: wait.Policy(o.Wait), full: o.whenFull()}, seg, segment.Spec{Name: name, Kind: segment.KindSPSC, Type: t.Format})
}

// UnmarshalBinary makes q a handle of the SPSC that another process's MarshalBinary
// wrote down. It must not have been used before.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (q *SPSC[T]) UnmarshalBinary(b []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(q, b, segment.KindSPSC, t.Format)
}

func (q *SPSC[T]) bind(o *segment.Object) error {
	t, err := elem.Of[T]()
	if err != nil {
		return err
	}
	view := func(o *segment.Object) (*spsc.Ring, error) { return spsc.View(o, t.Size) }
	r, seen, err := viewsOf(o, view, (*spsc.Ring).Busy)
	if err != nil {
		return err
	}
	q.o, q.r, q.seen, q.bools = o, r, seen, t.Bools
	return nil
}

// Put appends a message. It waits for room until ctx ends, unless [Options.WhenFull] says
// otherwise. Where there is room at once, the message is put even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: a process has closed the queue.
//   - [ErrRoleTaken]: another process is the producer.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// The message is not in the queue then, and never will be.
func (q *SPSC[T]) Put(ctx context.Context, v T) error {
	r := q.r
	if !r.HasRoom() {
		if err := q.awaitRoom(ctx); err != nil {
			return ring.UnlessDropped(err)
		}
	}
	at := r.Put.Next
	if !r.Begin(at + 1) {
		return r.Refuse()
	}
	*ring.Value[T](&r.Cursor, at) = v
	r.Publish(at + 1)
	if at%spsc.FetchEvery == 0 && r.Put.Lags {
		r.Fetch(at+spsc.FetchEvery, spsc.FetchEvery)
	}
	runtime.KeepAlive(q)
	return nil
}

// awaitRoom waits for room, or says that the message is dropped.
func (q *SPSC[T]) awaitRoom(ctx context.Context) error {
	err := q.r.AwaitRoom(ctx, q.policy, q.full)
	if err != nil && err != ring.ErrDropped {
		err = q.lateForRoom(ctx, err, q.Len(), q.r.Consumer(), "is the consumer")
	}
	return err
}

// awaitMessage waits for a message.
func (q *SPSC[T]) awaitMessage(ctx context.Context) error {
	err := q.r.AwaitMessage(ctx, q.policy)
	if err != nil {
		err = q.lateForMessage(ctx, err, q.r.Producer(), "is the producer")
	}
	return err
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull]; otherwise those of [SPSC.Put].
func (q *SPSC[T]) TryPut(v T) error {
	r := q.r
	if !r.HasRoom() {
		if err := r.Room(); err != nil {
			return err
		}
	}
	at := r.Put.Next
	if !r.Begin(at + 1) {
		return r.Refuse()
	}
	*ring.Value[T](&r.Cursor, at) = v
	r.Publish(at + 1)
	runtime.KeepAlive(q)
	return nil
}

// Get takes the oldest message. It waits for one until ctx ends. A message that is
// there at once is taken even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: a process has closed the queue, and all messages have been taken.
//   - [ErrRoleTaken]: another process is the consumer.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// No message has been taken then.
func (q *SPSC[T]) Get(ctx context.Context) (v T, err error) {
	r := q.r
	if !r.HasMessages() {
		if err := q.awaitMessage(ctx); err != nil {
			return v, err
		}
	}
	at := r.Get.Next
	if !r.BeginGet() {
		return v, r.Closer.Err()
	}
	v = *ring.Value[T](&r.Cursor, at)
	if q.bools != nil {
		v = elem.Mended(q.bools, v)
	}
	if err := r.Release(at + 1); err != nil {
		return *new(T), err
	}
	runtime.KeepAlive(q)
	return v, nil
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty]; otherwise those of [SPSC.Get].
func (q *SPSC[T]) TryGet() (v T, err error) {
	r := q.r
	if !r.HasMessages() {
		if err := r.Messages(); err != nil {
			return v, err
		}
	}
	at := r.Get.Next
	if !r.BeginGet() {
		return v, r.Closer.Err()
	}
	v = *ring.Value[T](&r.Cursor, at)
	if q.bools != nil {
		v = elem.Mended(q.bools, v)
	}
	if err := r.Release(at + 1); err != nil {
		return *new(T), err
	}
	runtime.KeepAlive(q)
	return v, nil
}

// All takes messages until the queue is closed and empty. It waits for them until ctx ends.
// An error of [SPSC.Get] other than [ErrClosed] is the last thing that it yields, with a zero T.
func (q *SPSC[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Len is how many messages are in the queue. While the other process is at work it is out of date
// when it is returned.
func (q *SPSC[T]) Len() int {
	n := q.seen.Len()
	if q.o.Vanished() {
		return 0
	}
	runtime.KeepAlive(q)
	return int(n)
}

// Cap is how many messages the queue can hold: the capacity that was asked for, rounded up to a
// power of two.
func (q *SPSC[T]) Cap() int { return int(q.r.Capacity()) }

// Close closes the queue for all processes, until [SPSC.Reopen]. Nothing can be put any more; what
// is in it can still be taken, and after that every Get returns [ErrClosed]. Any process may close
// it, and again.
//
// Errors: [shm.ErrClosed].
func (q *SPSC[T]) Close() error {
	err := q.r.Close()
	runtime.KeepAlive(q)
	return err
}

// Reopen opens a queue that was closed, for all processes. It does nothing when the queue is open.
//
// Errors: [io/fs.ErrInvalid] when messages are left in it, which would mix with those to come: take
// them first; [shm.ErrClosed].
func (q *SPSC[T]) Reopen() error {
	err := q.r.Reopen()
	runtime.KeepAlive(q)
	return err
}

// Closed reports whether a process has closed the queue. There may still be messages in it.
func (q *SPSC[T]) Closed() bool {
	closed := q.seen.Closed() && !q.o.Vanished()
	runtime.KeepAlive(q)
	return closed
}

// Stats returns the counts. They cost the queue next to nothing: most are the positions of its
// ends.
func (q *SPSC[T]) Stats() Stats {
	c := &q.seen.Shared.Counters
	abandoned := q.seen.Shared.Abandoned.Load()
	n := q.seen.Len()
	if !q.o.ReadOnly() {
		c.ObserveDepth(n)
	}
	got := q.seen.Read() + abandoned
	s := Stats{Put: got + n, Got: got, Abandoned: abandoned}
	s.add(c, reflect.TypeFor[T]())
	if q.o.Vanished() {
		s = Stats{}
	}
	runtime.KeepAlive(q)
	return s
}
