package segment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
)

// locked is lockedUnder for what has no context.
func (s *Segment) locked(f func() error) error { return s.lockedUnder(context.Background(), f) }

// lockedUnder runs f under the segment's lock, after mending what a dead holder left. It waits for
// the lock until ctx ends, and not longer than the segment's patience.
func (s *Segment) lockedUnder(ctx context.Context, f func() error) (err error) {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer func() {
		if !s.lock.TryUnlock() && err == nil {
			err = s.dir.Corrupt("the lock of the directory was overwritten")
		}
		runtime.KeepAlive(s)
	}()
	return f()
}

// mend rebuilds the segment after the death of a holder of the lock, and reports that.
func (s *Segment) mend(died *lock.OwnerDiedError) error {
	err := s.dir.Rebuild()
	if err == nil {
		s.table.Rebuilt(died.Owner)
	}
	return err
}

// errImpatient is why enter ends a wait although its context has not ended.
var errImpatient = errors.New("the segment's patience is over")

// enter locks the directory.
func (s *Segment) enter(ctx context.Context) error {
	if s.Closed() {
		return s.dir.ClosedError()
	}
	if s.ReadOnly() {
		return s.refused()
	}
	err := s.lock.TryLock()
	if errors.Is(err, lock.ErrLocked) {
		patient, cancel := context.WithTimeoutCause(ctx, s.patience, errImpatient)
		defer cancel()
		err = s.lock.Lock(patient)
	}
	var died *lock.OwnerDiedError
	if errors.As(err, &died) {
		err = s.lock.Repair(died, s.mend)
		if err != nil && !errors.Is(err, lock.ErrNotHeld) {
			return err
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		owner, _ := s.table.Info(s.lock.Owner())
		return fmt.Errorf("%s: wait for the directory, which is locked by %v: %w", s.path, owner, err)
	case errors.Is(err, errImpatient):
		owner, _ := s.table.Info(s.lock.Owner())
		return fmt.Errorf("%s: the directory has been locked for %v by %v, which seems to be stopped: let it go on, or end it: %w",
			s.path, s.patience, owner, lock.ErrLocked)
	case errors.Is(err, lock.ErrClosed):
		return s.dir.ClosedError()
	case errors.Is(err, lock.ErrNotHeld):
		return s.dir.Corrupt("the lock of the directory was overwritten")
	default:
		return fmt.Errorf("%s: lock the directory: %w", s.path, err)
	}
}

// collections is how often a process that lacks room runs its garbage collector for what it keeps
// itself: an object that a goroutine looks up meanwhile, or whose handle a cleanup asks for, stays
// until the next time.
const collections = 4

// withRoom runs f under the lock. When f fails because something is full it makes
// room, of what no process uses any more, which all are asked for, and runs f again.
func (s *Segment) withRoom(ctx context.Context, f func() error) error {
	h := s.dir.Header()
	for tries := 0; ; tries++ {
		retired, left := h.Retired.Load(), s.left.Load()
		err := s.lockedUnder(ctx, func() error {
			if err := s.dir.Reclaim(directory.ReclaimFew); err != nil {
				return err
			}
			err := f()
			if !directory.LacksRoom(err) {
				return err
			}
			if err := s.dir.Reclaim(math.MaxUint32); err != nil {
				return err
			}
			if err := s.dir.RebuildHeap(); err != nil { // frees blocks of the dead
				return err
			}
			return f()
		})
		if !directory.LacksRoom(err) || tries == collections || tries > 0 && !s.keeps(place.isRetired) {
			return err
		}
		s.dropUnreachable()
		if !s.ask(ctx) && h.Retired.Load() == retired && s.left.Load() == left {
			return err // nothing has come back, here or elsewhere, since it was full
		}
	}
}
