package shmsync

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/barrier"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Barrier is a place where a fixed number of parties, goroutines of any processes, wait until all
// of them have come. Then all go on, and it can be used again at once.
//
// A process is a party from when it makes its first handle, unless that is a
// [BarrierOptions.Spectator]'s, until it ends or closes the segment: its end breaks the barrier for
// the others, whether it was waited for or waited itself. So a process that does not take part has
// no handle, or a spectator's. A process that finds no other party alive finds the barrier whole.
//
// A Barrier is made by [NewBarrier] or [OpenBarrier], or by UnmarshalBinary of what
// another process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// Each call of Wait synchronizes before the action, and that before the return of each other Wait
// of the same round, in any process.
type Barrier struct {
	handle
	b       *barrier.Cyclic
	options BarrierOptions
	want    int // parties, as asked for; 0: any number
}

// BarrierOptions belong to one handle, not to the barrier: processes may use different ones.
type BarrierOptions struct {
	// Wait says how Wait waits. The first handle that a process makes of a barrier decides for all
	// of them.
	Wait WaitPolicy

	// Action, if set, is run by the Wait of the last party to come, if it is called on this handle,
	// before any party goes on. When it fails or panics, the barrier is broken. It must not wait
	// for the barrier.
	Action func() error

	// Spectator says that this handle makes its process no party: it may look, Abort and Reset, but
	// not Wait.
	Spectator bool
}

// NewBarrier finds the Barrier of that name in the segment, or makes it, for that many parties, at
// least 1 and at most 65535. It makes this process one of them.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object or a barrier for
// another number of parties, [io/fs.ErrInvalid] for an impossible one; [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name;
// [ErrLocked] when another process has stopped while it became a party.
func NewBarrier(seg *shm.Segment, name string, parties int, o BarrierOptions) (*Barrier, error) {
	if parties < 1 || parties > barrier.MaxParties {
		return nil, fmt.Errorf("shmsync: %w", segment.Invalid("barrier %q: %d parties: must be 1 to %d", name, parties, barrier.MaxParties))
	}
	spec := barrierSpec(seg, name)
	spec.Init = func(payload []byte) { barrier.Init(payload, parties) }
	return find(&Barrier{options: o, want: parties}, seg, spec)
}

// OpenBarrier finds the Barrier of that name, which must exist. It makes this process one of its
// parties.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed]; [ErrLocked]
// when another process has stopped while it became a party.
func OpenBarrier(seg *shm.Segment, name string, o BarrierOptions) (*Barrier, error) {
	return open(&Barrier{options: o}, seg, barrierSpec(seg, name))
}

func barrierSpec(seg *shm.Segment, name string) segment.Spec {
	return segment.Spec{Name: name, Kind: segment.KindBarrier, Size: int64(barrier.Bytes(slotsOf(segment.Of(seg))))}
}

// UnmarshalBinary makes b a handle of the barrier that another process's MarshalBinary wrote down,
// and this process one of its parties. Options that b has stay; one that is zero has none.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open] and
// [OpenBarrier].
func (b *Barrier) UnmarshalBinary(data []byte) error { return unmarshal(b, data, segment.KindBarrier) }

func (b *Barrier) bind(o *segment.Object) error {
	if err := sized(o, barrier.Bytes(slotsOf(o.Seg))); err != nil {
		return err
	}
	n := barrier.PartyCount(o.Payload)
	switch {
	case n < 1 || n > barrier.MaxParties:
		return o.Damaged(fmt.Sprintf("%d parties are impossible", n))
	case b.want != 0 && b.want != n:
		return &shm.MismatchError{Segment: o.Seg.Path(), Name: o.Name, Difference: fmt.Sprintf("it is for %d parties, not %d", n, b.want)}
	}
	shared := o.Local(func() (any, func() bool) {
		l := barrier.New(o.Party(), o.Payload, n, wait.Policy(b.options.Wait), o.Target(lock.RoleBarrier))
		return l, l.Busy
	}).(*barrier.Cyclic)
	if !b.options.Spectator && !o.Closed() { // a handle that is detached joins nothing
		if err := shared.Join(); err != nil {
			return fmt.Errorf("%v %q of %s: become a party: %w", o.Kind, o.Name, o.Seg.Path(), joinError(err))
		}
	}
	b.o, b.b = o, shared
	return nil
}

func joinError(err error) error {
	if errors.Is(err, lock.ErrNoCell) {
		return fmt.Errorf("%w: %w", shm.ErrCorrupt, err)
	}
	return err
}

// Wait waits until all parties have come. It returns as which of them the caller came: 0 for the
// first, and one less than [Barrier.Parties] for the last. When more call it than there are
// parties, the others wait for a next round. The last party to arrive does not wait, even when its
// ctx has ended. Any other party that gives up because its ctx ends breaks the barrier, unless it
// only waits for the end of an action before its own round begins.
//
// Errors, after each of which but the last two the barrier is broken, until a Reset:
//   - [ErrBroken], as a [*BrokenError] that says why: the barrier is broken, or was while the
//     caller waited.
//   - the error of the action, for the caller that ran it.
//   - the context's.
//   - [ErrClosed].
//   - [io/fs.ErrInvalid]: the handle is a spectator's.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	if b.options.Spectator {
		return 0, fmt.Errorf("shmsync: %w", segment.Invalid("barrier %q: Wait on a handle with the option Spectator: open it without", b.Name()))
	}
	began := startOf(ctx)
	index, err = b.b.Wait(ctx, b.options.Action)
	runtime.KeepAlive(b)
	if err == nil {
		return index, nil
	}
	if e, broken := err.(*barrier.BrokenError); broken {
		return index, &BrokenError{b.title(), BrokenCause(e.Cause), e.PID, e.Program, e.Attached}
	}
	if b.options.Action != nil && index == b.Parties()-1 {
		return index, err // that of the action
	}
	wanted := fmt.Sprintf("wait: not all of %d have come, missing", b.Parties())
	return index, b.waited(ctx, err, lock.RoleBarrier, wanted, began)
}

// Abort breaks the barrier: all that wait, and all that arrive, get [ErrBroken] until a
// [Barrier.Reset]. Abort does not wait. After its segment was closed it does nothing.
func (b *Barrier) Abort() {
	b.b.Abort()
	runtime.KeepAlive(b)
}

// Reset makes the barrier whole, without waiters. All that wait get [ErrBroken]. Dead parties are
// forgotten: the barrier is for as many as before, so other processes must take their places. Reset
// waits for no more than a moment. After its segment was closed it does nothing.
func (b *Barrier) Reset() {
	b.b.Reset()
	runtime.KeepAlive(b)
}

// Parties is how many have to come.
func (b *Barrier) Parties() int { return b.b.Parties() }

// Waiting is how many have come and wait at this moment.
func (b *Barrier) Waiting() int {
	n := b.b.Waiting()
	runtime.KeepAlive(b)
	return n
}

// Broken reports whether b is broken: whether a Wait would fail at once. After its segment was
// closed it is false.
func (b *Barrier) Broken() bool {
	broken := b.b.Broken()
	runtime.KeepAlive(b)
	return broken
}
