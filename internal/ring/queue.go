package ring

import (
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Queue is what the views of all queues have in common: a [View] of an object that begins with a
// [Head].
type Queue struct {
	View
	Shared   *Head
	Tasks    *Tasks // nil: not joinable
	capacity uint64
}

// NewQueue views the object's head, and checks it.
//
// Errors: [segment.ErrCorrupt].
func NewQueue(o *segment.Object, l Layout) (Queue, error) {
	l.Joinable = true
	capacity, tasks, err := l.Capacity(o)
	if err != nil {
		return Queue{}, err
	}
	q := Queue{View: NewView(o, "queue"), Shared: headIn(o.Payload), capacity: capacity}
	if tasks != nil {
		q.Tasks = newTasks(o, q.Shared.Joiners[:], tasks)
	}
	return q, nil
}

// InitHead makes the head of a new queue.
func InitHead(mem []byte, capacity uint64, countsTasks bool) {
	h := headIn(mem)
	h.capacity = capacity
	if countsTasks {
		h.flags = joinable
	}
}

// Capacity is how many places the ring has, as the head said when the queue was opened.
func (q *Queue) Capacity() uint64 { return q.capacity }

// Closed reports whether a process has closed the queue.
func (q *Queue) Closed() bool { return q.Shared.ClosedBy.Load() != 0 }

// SetClosed closes the queue. The caller wakes the waiters.
//
// What a death leaves behind: a count of a closing that did not take place.
func (q *Queue) SetClosed() {
	q.Shared.closings.Add(1)
	q.Shared.ClosedBy.CompareAndSwap(0, uint32(q.Me))
}

// Closings is how often the queue was closed, for a caller that has seen it closed: the number
// grows before the queue is closed again.
func (q *Queue) Closings() uint32 { return q.Shared.closings.Load() }

// Reopen opens a queue that was closed, if it is empty; left is how many messages are in it.
//
// Errors: [io/fs.ErrInvalid], [lock.ErrClosed].
func (q *Queue) Reopen(left int) error {
	switch {
	case q.Closer.Closed():
		return q.Closer.Err()
	case !q.Closed():
		return q.Concluded(nil)
	case left > 0:
		return segment.Invalid("queue: reopen %q in %s: %d messages are left: take them first", q.o.Name, q.o.Seg.Path(), left)
	}
	// SYNC: closed: a put that finds the queue open sees what was before that, as one does that
	// comes to a new queue.
	q.Shared.ClosedBy.Store(0)
	return q.Reached()
}

// ErrClosed is the [ErrClosed] of this queue, with the process that closed it.
func (q *Queue) ErrClosed() error {
	e := &ClosedError{object: fmt.Sprintf("%v %q in %s", q.o.Kind, q.o.Name, q.o.Seg.Path()), by: "a process"}
	if by, ok := q.Table.Info(proctab.Owner(q.Shared.ClosedBy.Load() & proctab.OwnerMask)); ok {
		e.by = by.String()
	}
	return e
}

// A ClosedError is an [ErrClosed], and an [os.ErrClosed]. The zero value names no queue.
type ClosedError struct{ object, by string }

func (e *ClosedError) Error() string {
	if e.object == "" {
		return "queue: the queue was closed, for all processes"
	}
	return fmt.Sprintf("queue: %s was closed by %s, for all processes: Reopen opens it again", e.object, e.by)
}

// Is makes [errors.Is] find [ErrClosed], whatever queue it names.
func (e *ClosedError) Is(target error) bool { return target == ErrClosed || target == os.ErrClosed }
