package queue

import (
	"context"
	"errors"
	"iter"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// An SPSC passes values of type T from one process, the producer, to one other, the
// consumer; both may be the same. It is the fastest of the queues.
//
// The first process that puts is the producer, and the first that gets the consumer, until it dies or closes the
// segment: then another one can take over. Within a process one goroutine at a time may put, and one
// may get; the race detector notices when that is broken.
//
// T must be of fixed size, as for [shm.Value]. Messages come out in the order in which they were put in. The
// queue is bounded.
//
// An SPSC is made by [NewSPSC] or [OpenSPSC], or by UnmarshalBinary of what another process's MarshalBinary
// wrote; the zero value is only for that. It must not be copied.
//
// A Put synchronizes before the return of the Get that takes its message, and the k'th Get
// before the return of the k+Cap'th Put, in any process.
type SPSC[T any] struct {
	object
	r      *spsc // immutable once bound
	policy wait.Policy
	full   ring.WhenFull
}

// NewSPSC finds the SPSC of that name in the segment, or makes it, empty. Its capacity is
// rounded up to a power of two messages, at most 2³⁰.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to a queue of another type or
// capacity; a [*shm.UnsupportedTypeError]; a [*shm.NoSpaceError]; [shm.ErrTooManyObjects], [shm.ErrRemoved],
// [shm.ErrCorrupt], [shm.ErrClosed]; [io/fs.ErrInvalid] for a bad name or capacity, or options that an SPSC cannot have.
func NewSPSC[T any](seg *shm.Segment, name string, capacity int, o Options) (*SPSC[T], error) {
	if err := o.check(name, segment.KindSPSC); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	stride := spscStride(t.Size)
	n, err := ring.SlotsFor(name, capacity, stride)
	if err != nil {
		return nil, err
	}
	q, err := find(&SPSC[T]{policy: wait.Policy(o.Wait), full: ring.WhenFull(o.WhenFull)}, seg, segment.Spec{
		Name: name, Kind: segment.KindSPSC, Type: t.Format, Size: int64(spscHeadBytes + n*uint64(stride)),
		Init: func(mem []byte) { fillSPSC(mem, n, o.start) },
	})
	return q, withCapacity(err, capacity, n, spscHeadBytes, stride)
}

// OpenSPSC finds the SPSC of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrInvalid], [shm.ErrMismatch], a [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenSPSC[T any](seg *shm.Segment, name string, o Options) (*SPSC[T], error) {
	if err := o.check(name, segment.KindSPSC); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	return open(&SPSC[T]{policy: wait.Policy(o.Wait), full: ring.WhenFull(o.WhenFull)}, seg, segment.Spec{Name: name, Kind: segment.KindSPSC, Type: t.Format})
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

// spscStride is the distance of two values of that size.
func spscStride(size int) uintptr { return max(uintptr(size+7)&^7, 8) }

func (q *SPSC[T]) bind(o *segment.Object) error {
	t, err := elem.Of[T]()
	if err != nil {
		return err
	}
	r, err := ring.ViewOf(o, func() (*spsc, error) { return viewSPSC(o, spscStride(t.Size)) }, (*spsc).busy)
	if err != nil {
		return err
	}
	q.o, q.r, q.bools = o, r, t.Bools
	return nil
}

// Put appends a message. It waits for room until ctx ends, unless [Options.WhenFull] says otherwise. Where there is room at
// once, the message is put even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: somebody has closed the queue.
//   - [ErrRoleTaken]: another process is the producer.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// The message is not in the queue then, and never will be.
func (q *SPSC[T]) Put(ctx context.Context, v T) error {
	r := q.r
	if r.put.next == r.put.until {
		if err := q.makeRoom(ctx); err != nil {
			if err != ring.ErrDropped {
				err = q.lateForRoom(ctx, err, q.Len())
			}
			return ring.UnlessDropped(err)
		}
	}
	at := r.put.next
	if !r.begin(at + 1) {
		return r.refuse()
	}
	*spscValue[T](r, at) = v
	r.publish(at + 1)
	if at%fetchEvery == 0 && r.put.stream {
		r.fetch(at+fetchEvery, fetchEvery)
	}
	runtime.KeepAlive(q)
	return nil
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull]; otherwise those of [SPSC.Put].
func (q *SPSC[T]) TryPut(v T) error {
	r := q.r
	if r.put.next == r.put.until {
		if err := r.room(exactly); err != nil {
			return err
		}
	}
	at := r.put.next
	if !r.begin(at + 1) {
		return r.refuse()
	}
	*spscValue[T](r, at) = v
	r.publish(at + 1)
	runtime.KeepAlive(q)
	return nil
}

// Get takes the oldest message. It waits for one until ctx ends. A message that is
// there at once is taken even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: somebody has closed the queue, and all messages have been taken.
//   - [ErrRoleTaken]: another process is the consumer.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// No message has been taken then.
func (q *SPSC[T]) Get(ctx context.Context) (v T, err error) {
	r := q.r
	if r.get.next == r.get.until {
		if err := r.awaitMessage(ctx, q.policy); err != nil {
			return v, q.lateForMessage(ctx, err)
		}
	}
	at := r.get.next
	if !r.beginGet() {
		return v, shm.ErrClosed
	}
	v = *spscValue[T](r, at)
	if q.bools != nil {
		v = elem.Mended(q.bools, v)
	}
	r.finish(at + 1)
	runtime.KeepAlive(q)
	return v, nil
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty]; otherwise those of [SPSC.Get].
func (q *SPSC[T]) TryGet() (v T, err error) {
	r := q.r
	if r.get.next == r.get.until {
		if err := r.messages(); err != nil {
			return v, err
		}
	}
	at := r.get.next
	if !r.beginGet() {
		return v, shm.ErrClosed
	}
	v = *spscValue[T](r, at)
	if q.bools != nil {
		v = elem.Mended(q.bools, v)
	}
	r.finish(at + 1)
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

// Len is how many messages are in the queue. While others are at work it is out of date when it is returned.
func (q *SPSC[T]) Len() int {
	n, _ := q.r.length()
	runtime.KeepAlive(q)
	return int(n)
}

// Cap is how many messages the queue can hold: the capacity that was asked for, rounded up to a power of two.
func (q *SPSC[T]) Cap() int { return int(q.r.capacity()) }

// Close closes the queue for everyone, for good. Nothing can be put any more; what is
// in it can still be taken, and after that every Get returns [ErrClosed]. Any process may close it, and again.
//
// Errors: [shm.ErrClosed].
func (q *SPSC[T]) Close() error {
	err := q.r.close()
	runtime.KeepAlive(q)
	return err
}

// Closed reports whether somebody has closed the queue. There may still be messages in it.
func (q *SPSC[T]) Closed() bool {
	closed := q.r.head.closed.Load() != 0
	runtime.KeepAlive(q)
	return closed
}
