package queue

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Options belong to one handle, unless they say otherwise: processes may use different ones.
type Options struct {
	// Wait says how Put and Get wait.
	Wait shmsync.WaitPolicy

	// WhenFull says what Put does when there is no room.
	WhenFull WhenFull

	// Joinable lets who takes messages from a [Queue], [Bytes] or [Objects] report that he is done with them, see [Queue.TaskDone]. This
	// one belongs to the queue: it is decided when that is made, and NewQueue refuses to find one of the other sort. [OpenQueue] ignores it.
	Joinable bool

	start uint64 // first position of a new queue
}

// NewQueue finds the Queue of that name in the segment, or makes it, empty. Its
// capacity is rounded up to a power of two messages, at most 2³⁰.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to a queue of another type or
// capacity, or one that is joinable while o is not, or the reverse; a [*shm.UnsupportedTypeError]; a [*shm.NoSpaceError]; [shm.ErrTooManyObjects], [shm.ErrRemoved],
// [shm.ErrCorrupt], [shm.ErrClosed]; [io/fs.ErrInvalid] for a bad name, capacity or option.
func NewQueue[T any](seg *shm.Segment, name string, capacity int, o Options) (*Queue[T], error) {
	if err := o.check(name, segment.KindQueue); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	stride := strideOf(t.Size)
	n, err := ring.SlotsFor(name, capacity, stride)
	if err != nil {
		return nil, err
	}
	seats := 0
	if o.Joinable {
		seats = segment.Of(seg).Table().Len()
	}
	q, err := find(&Queue[T]{policy: wait.Policy(o.Wait), full: ring.WhenFull(o.WhenFull)}, seg, segment.Spec{
		Name: name, Kind: segment.KindQueue, Type: t.Format, Size: ringBytes(n, stride, seats),
		Init: func(mem []byte) { fill(mem, n, stride, seats, o.start) },
	})
	if err == nil && (q.r.tasks != nil) != o.Joinable {
		q, err = nil, sortDiffers(seg, name, !o.Joinable)
	}
	return q, withSort(err, capacity, n, stride)
}

// OpenQueue finds the Queue of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrInvalid], [shm.ErrMismatch], a [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenQueue[T any](seg *shm.Segment, name string, o Options) (*Queue[T], error) {
	if err := o.check(name, segment.KindQueue); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	return open(&Queue[T]{policy: wait.Policy(o.Wait), full: ring.WhenFull(o.WhenFull)}, seg, segment.Spec{Name: name, Kind: segment.KindQueue, Type: t.Format})
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
	r, err := ring.ViewOf(obj, func() (*mpmcRing, error) { return viewRing(obj, t.Size) }, (*mpmcRing).busy)
	if err != nil {
		return err
	}
	q.o, q.r, q.bools = obj, r, t.Bools
	return nil
}

// withCapacity lets a mismatch of sizes speak of messages: asked were asked for, which was rounded up to n. They lie stride
// bytes apart behind head bytes.
func withCapacity(err error, asked int, n uint64, head int64, stride uintptr) error {
	var m *shm.MismatchError
	if errors.As(err, &m) && m.SizeDiffers {
		m.Difference = fmt.Sprintf("its capacity is %d messages, not %d", (m.Have-head)/int64(stride), n)
		if n != uint64(asked) {
			m.Difference += fmt.Sprintf(" (%d rounded up to a power of two)", asked)
		}
		return fmt.Errorf("queue: %w", m)
	}
	return err
}

// withSort is withCapacity for a queue that may be joinable, or meet one that is.
func withSort(err error, asked int, n uint64, stride uintptr) error {
	var m *shm.MismatchError
	if errors.As(err, &m) && m.SizeDiffers {
		if slots := uint64(m.Have-headBytes) / uint64(stride); slots&(slots-1) != 0 || ringBytes(slots, stride, 0) != m.Have {
			m.Difference = "its capacity, or whether it is joinable, is not what was asked for"
			return fmt.Errorf("queue: %w", m)
		}
	}
	return withCapacity(err, asked, n, headBytes, stride)
}

// sortDiffers says that a queue is joinable, or not, and that something else was asked for.
func sortDiffers(seg *shm.Segment, name string, joinable bool) error {
	is := "it is not joinable"
	if joinable {
		is = "it is joinable"
	}
	return fmt.Errorf("queue: %w", &shm.MismatchError{Segment: segment.Of(seg).Path(), Name: name, Difference: is})
}
