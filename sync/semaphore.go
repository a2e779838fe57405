package shmsync

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/semaphore"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Semaphore is a number of units that goroutines of all processes acquire and release. Without
// [SemaphoreOptions.Undo] units have no owner: any process may release units that another has
// acquired, or more, and the units of a process that dies are lost. With it, units belong to the
// process that acquired them, in any of its goroutines. Only that process may release them, and
// when it dies the others get back exactly those. A caller that waits for several units does not
// wait for ever because others take single ones. After a millisecond its process has the turn, and
// no other process acquires a unit until it has its units or gives up. So a request for more units
// than will ever be free at once keeps the others out until its context ends.
//
// A Semaphore is made by [NewSemaphore] or [OpenSemaphore], or by UnmarshalBinary of what another
// process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// A Release synchronizes before the return of each Acquire that takes one of its units, in any
// process.
type Semaphore struct {
	handle
	s      *semaphore.Weighted
	policy WaitPolicy
}

// SemaphoreOptions say what a semaphore is, and how one process uses it.
type SemaphoreOptions struct {
	// Wait says how Acquire waits. The first handle that a process makes of a semaphore decides for
	// all of them.
	Wait WaitPolicy

	// Max is how many units may be free at most: a Release of more fails. 0: no bound. It is part
	// of the semaphore; [OpenSemaphore] does not look at it.
	Max int64

	// Undo has units belong to the process that acquired them, so that they come back when it dies.
	// It is part of the semaphore; [OpenSemaphore] does not look at it. It costs some 25 ns more
	// for each call, and a lock for the moment in which units change hands: a process that is
	// stopped (SIGSTOP) just then holds up the others.
	Undo bool
}

// NewSemaphore finds the Semaphore of that name in the segment, or makes it with so many free
// units. Of one that exists the number of units stays what it is.
//
// Errors: [io/fs.ErrInvalid] when units is negative or more than Max, or with Undo not from 1 to
// 2^34-1; [shm.ErrMismatch] when the name belongs to another kind of object, or to a semaphore with
// another Max or Undo; [shm.NoSpaceError], [shm.ErrTooManyObjects], [shm.ErrRemoved],
// [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewSemaphore(seg *shm.Segment, name string, units int64, o SemaphoreOptions) (*Semaphore, error) {
	internal := segment.Of(seg)
	switch {
	case units < 0, o.Max < 0, o.Max > 0 && units > o.Max:
		return nil, fmt.Errorf("shmsync: %w", segment.Invalid("%s: semaphore %q: %d units of at most %d: must be from 0 to Max",
			internal.Path(), name, units, o.Max))
	case o.Undo && (units < 1 || units > lock.MaxOwned):
		return nil, fmt.Errorf("shmsync: %w", segment.Invalid("%s: semaphore %q: %d units: must be from 1 to %d with Undo",
			internal.Path(), name, units, int64(lock.MaxOwned)))
	}
	spec := semaphore.Spec{Units: units, Max: o.Max, Undo: o.Undo}
	size := int64(semaphore.Bytes)
	if o.Undo {
		size = int64(semaphore.BytesWithUndo(slotsOf(internal)))
	}
	s, err := find(&Semaphore{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindSemaphore, Size: size, Init: spec.Init})
	if err != nil {
		var mismatch *shm.MismatchError
		if errors.As(err, &mismatch) && mismatch.SizeDiffers {
			return nil, otherSemaphore(internal, name, fmt.Sprintf("it is one with Undo %v, not %v", !o.Undo, o.Undo))
		}
		return nil, err
	}
	if have, _ := semaphore.SpecIn(s.o.Payload); have.Max != o.Max {
		return nil, otherSemaphore(internal, name, fmt.Sprintf("its Max is %d, not %d", have.Max, o.Max))
	}
	return s, nil
}

func otherSemaphore(seg *segment.Segment, name, difference string) error {
	return fmt.Errorf("shmsync: %w", &shm.MismatchError{Segment: seg.Path(), Name: name, Difference: difference})
}

// OpenSemaphore finds the Semaphore of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch] when it is another kind of object,
// [shm.ErrCorrupt], [shm.ErrClosed].
func OpenSemaphore(seg *shm.Segment, name string, o SemaphoreOptions) (*Semaphore, error) {
	return open(&Semaphore{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindSemaphore, Size: segment.AnySize})
}

// UnmarshalBinary makes s a handle of the semaphore that another process's MarshalBinary wrote
// down.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (s *Semaphore) UnmarshalBinary(b []byte) error { return unmarshal(s, b, segment.KindSemaphore) }

func (s *Semaphore) bind(o *segment.Object) error {
	if err := sized(o, semaphore.Bytes); err != nil {
		return err
	}
	spec, ok := semaphore.SpecIn(o.Payload)
	if !ok {
		return o.Damaged("its units make no sense")
	}
	if spec.Undo {
		if err := sized(o, semaphore.BytesWithUndo(slotsOf(o.Seg))); err != nil {
			return err
		}
	}
	s.o = o
	s.s = o.Local(func() (any, func() bool) {
		l := semaphore.New(o.Party(), o.Payload, spec, wait.Policy(s.policy))
		l.SetTarget(o.Target(lock.RoleAcquire))
		return l, l.Held
	}).(*semaphore.Weighted)
	return nil
}

// Acquire takes n units, all at once. It waits until as many are free, or ctx ends. Units that are
// free at once are taken even when ctx has ended.
//
// Errors; nothing is taken with any of them:
//   - [io/fs.ErrInvalid]: n is not positive, or more than Max, or with Undo more than all units.
//   - the context's error, [ErrClosed], [shm.ErrCorrupt].
func (s *Semaphore) Acquire(ctx context.Context, n int64) error {
	if s.s.AcquireFast(n) {
		return nil
	}
	began := startOf(ctx)
	if err := s.s.Acquire(ctx, n); err != nil {
		if isOver(ctx, err) {
			return s.waited(ctx, err, lock.RoleAcquire, s.wanted(n), began)
		}
		return s.explain("acquire", n, err)
	}
	return nil
}

// wanted says what an Acquire of n units has waited for.
func (s *Semaphore) wanted(n int64) string {
	text := fmt.Sprintf("acquire %d units, %d are free", n, s.Available())
	if spec, _ := semaphore.SpecIn(s.o.Payload); spec.Undo {
		text += ", the others held by"
	}
	return text
}

// TryAcquire takes n units if that is possible without waiting.
//
// Errors: [ErrLocked] when fewer are free, or another process has waited for units for so long that
// it is its turn; otherwise those of [Semaphore.Acquire]. Nothing is taken.
func (s *Semaphore) TryAcquire(n int64) error {
	if s.s.AcquireFast(n) {
		return nil
	}
	return s.explain("acquire", n, s.s.TryAcquire(n))
}

// Release gives n units back, and wakes waiters for them. Any goroutine may call it. It does not
// wait for units, nor for a process that waits for units. With Undo it waits for the lock of the
// counts, which is held for some nanoseconds.
//
// Errors; nothing is given back with any of them:
//   - [ErrOverRelease]: more than Max would be free; with Undo, this process has fewer.
//   - [io/fs.ErrInvalid]: n is not positive.
//   - [ErrClosed], [shm.ErrCorrupt].
func (s *Semaphore) Release(n int64) error {
	if err := s.s.Release(n); err != nil {
		return s.explain("release", n, err)
	}
	return nil
}

// Available is how many units are free at this moment. With Undo, those of processes that have died
// are among them.
func (s *Semaphore) Available() int64 { return s.s.Available() }

// explain makes an error of the lock package one that says what failed.
func (s *Semaphore) explain(verb string, n int64, err error) error {
	switch err {
	case lock.ErrImpossible:
		return fmt.Errorf("shmsync: %w", segment.Invalid("%s %d units of semaphore %q: must be positive, and no more than it can ever have", verb, n, s.o.Name))
	case semaphore.ErrOverRelease:
		return s.concluded(fmt.Errorf("shmsync: release %d units of semaphore %q: %w: release what was acquired, once", n, s.o.Name, err))
	case lock.ErrLocked:
		return s.concluded(err)
	case lock.ErrDamaged:
		return s.concluded(fmt.Errorf("shmsync: %s %d units of semaphore %q: %w: %w: remove it and make it anew", verb, n, s.o.Name, shm.ErrCorrupt, err))
	}
	return err
}
