package queue

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Options belong to one handle, not to the queue: processes may use different ones.
type Options struct {
	// Wait says how Put and Get wait.
	Wait shmsync.WaitPolicy

	start uint64 // first position of a new queue
}

// NewQueue finds the Queue of that name in the segment, or makes it, empty. Its
// capacity is rounded up to a power of two messages, at most 2³⁰.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to a queue of another type or
// capacity; a [*shm.UnsupportedTypeError]; a [*shm.NoSpaceError]; [shm.ErrTooManyObjects], [shm.ErrRemoved],
// [shm.ErrCorrupt], [shm.ErrClosed]; a bad name or capacity.
func NewQueue[T any](seg *shm.Segment, name string, capacity int, o Options) (*Queue[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	stride := strideOf(t.Size)
	if capacity < 1 || capacity > maxCapacity || slotsFor(capacity) > maxBytes/uint64(stride) {
		return nil, fmt.Errorf("queue: %q: capacity %d: must be from 1 to %d messages", name, capacity, min(maxCapacity, maxBytes/uint64(stride)))
	}
	n := slotsFor(capacity)
	obj, _, err := seg.Internal().New(segment.Spec{
		Name: name, Kind: segment.KindQueue, Type: t.Format, Size: int64(headBytes + n*uint64(stride)),
		Init: func(mem []byte) { fill(mem, n, stride, o.start) },
	})
	return handle[T](obj, withCapacity(err, n, stride), o)
}

// OpenQueue finds the Queue of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], a [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenQueue[T any](seg *shm.Segment, name string, o Options) (*Queue[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	obj, err := seg.Internal().Open(segment.Spec{Name: name, Kind: segment.KindQueue, Type: t.Format, Size: segment.AnySize})
	return handle[T](obj, err, o)
}

func handle[T any](obj *segment.Object, err error, o Options) (*Queue[T], error) {
	q := &Queue[T]{policy: o.Wait}
	if err == nil {
		err = q.bind(obj)
	}
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return q, nil
}

func (q *Queue[T]) bind(obj *segment.Object) error {
	t, err := elem.Of[T]()
	if err != nil {
		return err
	}
	type result struct {
		r   *ring
		err error
	}
	shared := obj.Local(func() (any, func() bool) {
		r, err := viewRing(obj, t.Size)
		if err != nil {
			return result{nil, err}, nil
		}
		return result{r, nil}, r.busy
	}).(result)
	if shared.err != nil {
		return shared.err
	}
	q.o, q.r = obj, shared.r
	return nil
}

// elementOf describes T, or says why it cannot be shared.
func elementOf[T any]() (*elem.Type, error) {
	t, err := elem.Of[T]()
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return t, nil
}

// withCapacity lets a mismatch of sizes speak of messages.
func withCapacity(err error, n uint64, stride uintptr) error {
	var m *shm.MismatchError
	if errors.As(err, &m) && m.SizeDiffers {
		m.Difference = fmt.Sprintf("its capacity is %d messages, not %d", (m.Have-headBytes)/int64(stride), n)
	}
	return err
}

// Name is the queue's name in its segment.
func (q *Queue[T]) Name() string { return q.o.Name }

// MarshalBinary writes the handle down for another process of this machine, which
// gets the same queue with UnmarshalBinary. Options are not part of it.
//
// Errors: [shm.ErrRemoved] when others cannot find the segment, [shm.ErrClosed].
func (q *Queue[T]) MarshalBinary() ([]byte, error) {
	if q.o == nil {
		return nil, errors.New("queue: marshal a Queue: the handle has no queue")
	}
	b, err := q.o.Marshal()
	if err != nil {
		return nil, fmt.Errorf("queue: marshal the handle of %q: %w", q.o.Name, err)
	}
	return b, nil
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
	obj, err := segment.Unmarshal(b, segment.KindQueue, t.Format)
	if err == nil {
		err = q.bind(obj)
	}
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}
