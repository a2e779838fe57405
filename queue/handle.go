package queue

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Options belong to one handle, unless they say otherwise: processes may use different ones.
type Options struct {
	// Wait says how Put and Get wait.
	Wait shmsync.WaitPolicy

	// WhenFull says what Put does when there is no room.
	WhenFull WhenFull

	// Joinable lets who takes messages from a [Queue] report that he is done with them, see [Queue.TaskDone]. This one
	// belongs to the queue: it is decided when that is made, and NewQueue refuses to find one of the other sort. [OpenQueue] ignores it.
	Joinable bool

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
	n, err := slotsFor(name, capacity, stride)
	if err != nil {
		return nil, err
	}
	q, err := find(&Queue[T]{policy: o.Wait}, seg, segment.Spec{
		Name: name, Kind: segment.KindQueue, Type: t.Format, Size: int64(headBytes + n*uint64(stride)),
		Init: func(mem []byte) { fill(mem, n, stride, o.start) },
	})
	return q, withCapacity(err, n, headBytes, stride)
}

// OpenQueue finds the Queue of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], a [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenQueue[T any](seg *shm.Segment, name string, o Options) (*Queue[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	return open(&Queue[T]{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindQueue, Type: t.Format})
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

// withCapacity lets a mismatch of sizes speak of messages: n were asked for, which lie stride bytes apart behind head bytes.
func withCapacity(err error, n uint64, head int64, stride uintptr) error {
	var m *shm.MismatchError
	if errors.As(err, &m) && m.SizeDiffers {
		m.Difference = fmt.Sprintf("its capacity is %d messages, not %d", (m.Have-head)/int64(stride), n)
		return fmt.Errorf("queue: %w", m)
	}
	return err
}
