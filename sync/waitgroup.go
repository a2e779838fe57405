package shmsync

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/waitgroup"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A WaitGroup is a count of things to be done, which goroutines of all processes wait for to become
// 0.
//
// Without [WaitGroupOptions.Undo] any process may do what any has added, and what a process would
// have done when it died is never done. With it, each process does what it has added itself: when
// it dies, that counts as done. A WaitGroup may be used again as soon as its count is 0: earlier
// waiters return all the same. It is made by [NewWaitGroup] or [OpenWaitGroup], or by
// UnmarshalBinary of what another process's MarshalBinary wrote; the zero value is only for that.
// It must not be copied.
//
// A Done synchronizes before the return of each Wait that it lets go, in any process.
type WaitGroup struct {
	handle
	g      *waitgroup.Group
	policy WaitPolicy
}

// WaitGroupOptions say what a wait group is, and how one process uses it.
type WaitGroupOptions struct {
	// Wait says how Wait waits. The first handle that a process makes of a wait group decides for
	// all of them.
	Wait WaitPolicy

	// Undo has what was added belong to the process that added it, so that it counts as done when
	// that dies. It is part of the wait group; [OpenWaitGroup] does not look at it. It costs a lock
	// for the moment of each Add: a process that is stopped (SIGSTOP) just then holds up the
	// others.
	Undo bool
}

// NewWaitGroup finds the WaitGroup of that name in the segment, or makes it with the count 0.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to a wait group
// with another Undo; [shm.NoSpaceError], [shm.ErrTooManyObjects], [shm.ErrRemoved],
// [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewWaitGroup(seg *shm.Segment, name string, o WaitGroupOptions) (*WaitGroup, error) {
	spec := segment.Spec{Name: name, Kind: segment.KindWaitGroup, Size: waitgroup.Bytes}
	if o.Undo {
		spec.Size = int64(waitgroup.BytesWithUndo(slotsOf(segment.Of(seg))))
	}
	spec.Init = func(payload []byte) { waitgroup.Init(payload, o.Undo) }
	g, err := find(&WaitGroup{policy: o.Wait}, seg, spec)
	var mismatch *shm.MismatchError
	if errors.As(err, &mismatch) && mismatch.SizeDiffers {
		return nil, fmt.Errorf("shmsync: %w", &shm.MismatchError{Segment: mismatch.Segment, Name: name,
			Difference: fmt.Sprintf("it is one with Undo %v, not %v", !o.Undo, o.Undo)})
	}
	return g, err
}

// OpenWaitGroup finds the WaitGroup of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch] when it is another kind of object,
// [shm.ErrCorrupt], [shm.ErrClosed].
func OpenWaitGroup(seg *shm.Segment, name string, o WaitGroupOptions) (*WaitGroup, error) {
	return open(&WaitGroup{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindWaitGroup, Size: segment.AnySize})
}

// UnmarshalBinary makes g a handle of the wait group that another process's MarshalBinary wrote
// down.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (g *WaitGroup) UnmarshalBinary(b []byte) error { return unmarshal(g, b, segment.KindWaitGroup) }

func (g *WaitGroup) bind(o *segment.Object) error {
	if err := sized(o, waitgroup.Bytes); err != nil {
		return err
	}
	undo := waitgroup.HasUndo(o.Payload)
	if undo {
		if err := sized(o, waitgroup.BytesWithUndo(slotsOf(o.Seg))); err != nil {
			return err
		}
	}
	g.o = o
	g.g = o.Local(func() (any, func() bool) {
		l := waitgroup.New(o.Party(), o.Payload, undo, wait.Policy(g.policy))
		l.SetTarget(o.Target(lock.RoleWaitGroup))
		return l, l.Held
	}).(*waitgroup.Group)
	return nil
}

// Add adds n to the count; a negative n says that so many things are done. When the count becomes
// 0, all waiters are woken. Add does not wait for the count.
//
// Add before whatever does the thing can begin, so that the count does not become 0 too early.
//
// Errors; nothing is added with any of them:
//   - [ErrNegative]: the count would become negative; with Undo, this process has not added as
//     much.
//   - [io/fs.ErrInvalid]: the count would be more than 2^32-1.
//   - [ErrClosed], [shm.ErrCorrupt].
func (g *WaitGroup) Add(n int64) error { return g.explain("add", n, g.g.Add(n)) }

// Done says that one thing is done: it adds -1.
//
// Errors: those of [WaitGroup.Add].
func (g *WaitGroup) Done() error { return g.explain("add", -1, g.g.Add(-1)) }

// Wait waits until the count is 0, or ctx ends. It returns nil at once when the count is 0, even
// when ctx has ended; and when the count has been 0 since the call, even if it is not any more.
//
// Errors: the context's error, [ErrClosed], [shm.ErrCorrupt].
func (g *WaitGroup) Wait(ctx context.Context) error {
	began := startOf(ctx)
	err := g.g.Wait(ctx)
	if isOver(ctx, err) {
		return g.waited(ctx, err, lock.RoleWaitGroup, g.wanted(), began)
	}
	return g.explain("wait", 0, err)
}

// wanted says what a Wait has waited for.
func (g *WaitGroup) wanted() string {
	text := fmt.Sprintf("wait: %d are not done", g.Count())
	if waitgroup.HasUndo(g.o.Payload) {
		text += ", added by"
	}
	return text
}

// Count is what has been added and is not done. With Undo, what the dead have not done is no part
// of it.
func (g *WaitGroup) Count() int64 { return g.g.Count() }

// explain makes an error of the lock package one that says what failed.
func (g *WaitGroup) explain(verb string, n int64, err error) error {
	switch err {
	case waitgroup.ErrNegative:
		return g.concluded(fmt.Errorf("shmsync: add %d to wait group %q: %w: add before, and be done once", n, g.o.Name, err))
	case lock.ErrImpossible:
		return fmt.Errorf("shmsync: %w", segment.Invalid("add %d to wait group %q: the count would be more than 2^32-1", n, g.o.Name))
	case lock.ErrDamaged:
		return g.concluded(fmt.Errorf("shmsync: %s, wait group %q: %w: %w: remove it and make it anew", verb, g.o.Name, shm.ErrCorrupt, err))
	}
	return err
}
