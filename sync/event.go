package shmsync

import (
	"context"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/event"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// An Event is a flag that goroutines of all processes wait for. It is set or not.
// An Event has no owner: any process sets and clears it, and no death changes it. An Event is made
// by [NewEvent] or [OpenEvent], or by UnmarshalBinary of what another process's MarshalBinary
// wrote; the zero value is only for that. It must not be copied.
//
// A Set synchronizes before the return of each Wait that it lets go, and of each IsSet that reports
// true because of it, in any process.
type Event struct {
	handle
	e       *event.Flag
	seen    *event.Flag    // for looks; e, unless the process only reads
	watched *segment.Watch // nil: this process may set it
	policy  WaitPolicy
}

// EventOptions belong to one handle, not to the event: processes may use different ones.
type EventOptions struct {
	// Wait says how Wait waits. The first handle that a process makes of an event decides for all
	// of them.
	Wait WaitPolicy
}

// eventBytes gives every event a cache line of its own.
const eventBytes = 64

// NewEvent finds the Event of that name in the segment, or makes it, not set.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewEvent(seg *shm.Segment, name string, o EventOptions) (*Event, error) {
	return find(&Event{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindEvent, Size: eventBytes})
}

// OpenEvent finds the Event of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenEvent(seg *shm.Segment, name string, o EventOptions) (*Event, error) {
	return open(&Event{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindEvent, Size: eventBytes})
}

// UnmarshalBinary makes e a handle of the event that another process's MarshalBinary
// wrote down. Options that e has stay.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (e *Event) UnmarshalBinary(b []byte) error { return unmarshal(e, b, segment.KindEvent) }

func (e *Event) bind(o *segment.Object) error {
	if err := sized(o, event.Bytes); err != nil {
		return err
	}
	e.o, e.watched = o, o.Watched()
	e.e, e.seen = e.flagOf(o.Writable()), e.flagOf(o)
	return nil
}

func (e *Event) flagOf(o *segment.Object) *event.Flag {
	return o.Local(func() (any, func() bool) {
		l := event.New(o.Party(), o.Payload, wait.Policy(e.policy))
		l.SetTarget(o.Target(lock.RoleEvent))
		l.Keep = o
		return l, nil
	}).(*event.Flag)
}

// Set sets e and wakes all waiters. It does nothing when e is set already. It does not wait. After
// its segment was closed it does nothing.
func (e *Event) Set() {
	if e.watched != nil {
		panic(e.watched)
	}
	e.e.Set()
}

// Clear makes e an event that is not set. A waiter that waited when e was set returns all the same.
// Clear does not wait. After its segment was closed it does nothing.
func (e *Event) Clear() {
	if e.watched != nil {
		panic(e.watched)
	}
	e.e.Clear()
}

// IsSet reports whether e is set; after its segment was closed, whether it was at some time about
// then.
func (e *Event) IsSet() bool { return e.seen.IsSet() && !e.o.Vanished() }

// Wait waits until e is set, or ctx ends. It returns nil when e is set, even when ctx has ended,
// and when e was set at any time since the call began, even if it was cleared again.
//
// A process that only reads looks from time to time, up to 16 ms late: put a [shm.Var] beside the
// Event to be woken.
//
// Errors: the context's, [ErrClosed]; where the process only reads, [shm.ErrRemoved].
func (e *Event) Wait(ctx context.Context) error {
	began := startOf(ctx)
	err := error(nil)
	if e.watched == nil {
		err = e.e.Wait(ctx)
	} else {
		err = e.nap(ctx)
	}
	if err != nil {
		return e.waited(ctx, err, lock.RoleEvent, "wait: not set", began)
	}
	return nil
}

// nap is Wait of a process that only reads.
func (e *Event) nap(ctx context.Context) error {
	sets := e.seen.Sets()
	return e.o.Nap(ctx, func() bool { return e.seen.IsSet() || e.seen.Sets() != sets })
}
