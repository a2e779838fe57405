package queue

import (
	"reflect"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/seqlock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Broadcast passes values of type T from one process, the writer, to any number of
// readers, each of which sees every message. It keeps the last Cap messages. The writer never
// waits: a reader that is too slow is told how many messages it has lost.
//
// The first process that puts is the writer, until it dies or closes the segment: then another one
// can take over. Within it one goroutine at a time may put; the race detector notices when that is
// broken. A reader that only wants the latest value, as on a blackboard, uses [Broadcast.Latest].
//
// T must be of fixed size, as for [shm.Value].
//
// A Broadcast is made by [NewBroadcast] or [OpenBroadcast], or by UnmarshalBinary of what another
// process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// A Put synchronizes before the return of each Get or Latest that sees its message, in any process.
type Broadcast[T any] struct {
	object
	r      *seqlock.Ring // immutable once bound
	policy wait.Policy
}

// NewBroadcast finds the Broadcast of that name in the segment, or makes it, empty. Its capacity,
// how many messages it keeps, is rounded up to a power of two from 2 to 2³⁰.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to one of another
// type or capacity; a [*shm.UnsupportedTypeError]; a [*shm.NoSpaceError]; [shm.ErrTooManyObjects],
// [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; [io/fs.ErrInvalid] for a bad name, capacity
// or option.
func NewBroadcast[T any](seg *shm.Segment, name string, capacity int, o Options) (*Broadcast[T], error) {
	if err := o.check(name, segment.KindBroadcast); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	layout := seqlock.Layout(t.Size)
	if capacity == 1 {
		capacity = 2 // the latest message is there while the next one is written
	}
	n, err := ring.SlotsFor(name, capacity, layout.Stride)
	if err != nil {
		return nil, err
	}
	b, err := find(&Broadcast[T]{policy: wait.Policy(o.Wait)}, seg, segment.Spec{
		Name: name, Kind: segment.KindBroadcast, Type: t.Format, Size: layout.Size(n, 0),
		Init: func(mem []byte) { seqlock.Init(mem, t.Size, n, o.start) },
	})
	return b, withCapacity(err, capacity, n, layout)
}

// OpenBroadcast finds the Broadcast of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrInvalid], [shm.ErrMismatch], a
// [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenBroadcast[T any](seg *shm.Segment, name string, o Options) (*Broadcast[T], error) {
	if err := o.check(name, segment.KindBroadcast); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	return open(&Broadcast[T]{policy: wait.Policy(o.Wait)}, seg, segment.Spec{Name: name, Kind: segment.KindBroadcast, Type: t.Format})
}

// UnmarshalBinary makes b a handle of the Broadcast that another process's MarshalBinary
// wrote down. It must not have been used before.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (b *Broadcast[T]) UnmarshalBinary(data []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(b, data, segment.KindBroadcast, t.Format)
}

func (b *Broadcast[T]) bind(o *segment.Object) error {
	t, err := elem.Of[T]()
	if err != nil {
		return err
	}
	r, err := ring.ViewOf(o, func() (*seqlock.Ring, error) { return seqlock.View(o, t.Size) }, nil)
	if err != nil {
		return err
	}
	b.o, b.r, b.bools = o, r, t.Bools
	return nil
}

// Put appends a message, in the place of the oldest when there are Cap. It does not wait.
//
// Errors: [ErrClosed], [ErrRoleTaken], [ErrReserved], [shm.ErrClosed]; no reader sees the message
// then.
func (b *Broadcast[T]) Put(v T) error {
	s, err := b.r.Begin()
	if err != nil {
		return err
	}
	*seqlock.Value[T](s) = v
	b.r.Publish(s)
	runtime.KeepAlive(b)
	return nil
}

// PutBatch appends all messages of vs, in this order, and returns how many it has appended. It does
// not wait. Readers that sleep are woken at the end, and before that twice in each round of the
// ring. A batch of more than Cap messages overwrites its own beginning.
//
// Errors: those of [Broadcast.Put]; n messages are there then.
func (b *Broadcast[T]) PutBatch(vs []T) (n int, err error) {
	r := b.r
	for n < len(vs) {
		var s *seqlock.Slot
		if s, err = r.Begin(); err != nil {
			break
		}
		*seqlock.Value[T](s) = vs[n]
		r.Store(s)
		n++
		if r.NotifyDue() {
			r.Notify()
		}
	}
	if n > 0 {
		r.Notify()
	}
	runtime.KeepAlive(b)
	return n, err
}

// Reserve gives the place of the next message, to write it there; see [Reservation]. Its place is
// that of the oldest message when there are Cap: that one is lost, also when the reservation is
// aborted.
//
// Errors: those of [Broadcast.Put].
func (b *Broadcast[T]) Reserve() (Reservation[T], error) {
	s, err := b.r.Begin()
	if err != nil {
		return Reservation[T]{}, err
	}
	v := seqlock.Value[T](s)
	elem.MendAt(b.bools, v)
	return Reservation[T]{Value: v, position: b.r.Reserve(), ring: b.r, queue: &b.object}, nil
}

// Close says that nothing will be put any more, until [Broadcast.Reopen]. Readers get what is
// there, and then [ErrClosed]. Any process may close it, and again. A Put that is under way at the
// same time may or may not be seen.
//
// Errors: [shm.ErrClosed].
func (b *Broadcast[T]) Close() error {
	err := b.r.Close()
	runtime.KeepAlive(b)
	return err
}

// Reopen opens a Broadcast that was closed, for all processes. Readers go on where they are. It
// does nothing when the Broadcast is open.
//
// Errors: [shm.ErrClosed].
func (b *Broadcast[T]) Reopen() error {
	err := b.r.Queue.Reopen(0)
	runtime.KeepAlive(b)
	return err
}

// Closed reports whether a process has closed it. There may still be messages to read.
func (b *Broadcast[T]) Closed() bool {
	closed := b.r.Closed()
	runtime.KeepAlive(b)
	return closed
}

// Cap is how many messages are kept: the capacity that was asked for, rounded up to a power of two.
func (b *Broadcast[T]) Cap() int { return int(b.r.Capacity()) }

// Stats returns the counts. Those of messages that were taken, or dropped, and the high-water mark
// are 0: no reader takes a message from the others, and what a reader has lost only its own
// [LappedError] says. Waits counts readers only.
func (b *Broadcast[T]) Stats() Stats {
	shared := b.r.Shared
	s := Stats{Put: b.r.Next() - b.r.First(), Abandoned: shared.Abandoned.Load(), Waits: shared.Counters.Waits.Load()}
	s.Bytes = s.Put * uint64(reflect.TypeFor[T]().Size())
	runtime.KeepAlive(b)
	return s
}
