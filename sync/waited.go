package shmsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// kinds are what errors call objects of this package.
var kinds = map[segment.Kind]string{
	segment.KindMutex:          "mutex",
	segment.KindRWMutex:        "rwmutex",
	segment.KindRecursiveMutex: "recursive mutex",
	segment.KindSemaphore:      "semaphore",
	segment.KindCond:           "cond",
	segment.KindEvent:          "event",
	segment.KindBarrier:        "barrier",
	segment.KindOnce:           "once",
	segment.KindWaitGroup:      "wait group",
}

// title is what errors call the object.
func (h *handle) title() string {
	return fmt.Sprintf("%s %q of %s", kinds[h.o.Kind], h.o.Name, h.o.Seg.Path())
}

// startOf is when a wait under ctx began; zero for one that cannot end by its context, which needs
// no time.
func startOf(ctx context.Context) time.Time {
	if ctx.Done() == nil {
		return time.Time{}
	}
	return time.Now()
}

// waited makes an error that says which object the wait was for, what it wanted, and for which
// processes it waited, when err is that of the context; other errors it returns as they are.
func (h *handle) waited(ctx context.Context, err error, role lock.Role, wanted string, began time.Time) error {
	if !isOver(ctx, err) {
		return err
	}
	text := fmt.Sprintf("%s: %s", h.title(), wanted)
	owners := h.o.Seg.Holders(h.o, h.o.Target(role))
	if role == lock.RoleBarrier { // the caller has come, and given up
		me := h.o.Seg.Party().Member.ID()
		owners = slices.DeleteFunc(owners, func(o proctab.Owner) bool { return o == me })
	}
	if len(owners) > 0 {
		text += " " + h.names(owners)
	}
	return fmt.Errorf("%s, waited since %s: %w", text, began.Format(wait.Clock), err)
}

// isOver reports whether err says that ctx has ended.
func isOver(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}

func (h *handle) names(owners []proctab.Owner) string {
	var names []string
	for _, o := range owners {
		names = append(names, processOf(h.o.Seg, o).String())
	}
	return strings.Join(names, ", ")
}

// A held lock tells which process has it, and since when that was seen.
type holding interface {
	Holding() (holder proctab.Owner, since time.Time)
}

// waitedFor is waited for a lock that one process has.
func (h *handle) waitedFor(ctx context.Context, err error, role lock.Role, l holding) error {
	if !isOver(ctx, err) {
		return h.lockError(err)
	}
	text := fmt.Sprintf("%s: %v: %s", h.title(), role, h.heldBy(l))
	return fmt.Errorf("%s: %w", text, err)
}

// heldBy says which process holds l, and since when.
func (h *handle) heldBy(l holding) string {
	holder, since := l.Holding()
	switch {
	case holder == 0:
		return "free again"
	case since.IsZero():
		return fmt.Sprintf("held by %v", processOf(h.o.Seg, holder))
	}
	return fmt.Sprintf("held by %v since %s or earlier", processOf(h.o.Seg, holder), since.Format(wait.Clock))
}

// A lockedError is an [ErrLocked] that names the lock and the process that held it.
type lockedError struct {
	h      *handle
	role   lock.Role
	holder proctab.Owner // 0: readers, or a process that has unlocked since
}

func (e *lockedError) Error() string {
	text := fmt.Sprintf("%s: %v: %v", e.h.title(), e.role, ErrLocked)
	if e.holder == 0 {
		return text
	}
	return fmt.Sprintf("%s by %v", text, processOf(e.h.o.Seg, e.holder))
}

// Unwrap makes [errors.Is] find [ErrLocked].
func (e *lockedError) Unwrap() error { return ErrLocked }

// tried ends a TryLock with err. A caller that tries again and again gets the same error for as
// long as one process holds the lock.
func (h *handle) tried(err error, role lock.Role, l holding) error {
	if err != ErrLocked {
		return h.lockError(err)
	}
	holder, _ := l.Holding()
	if old := h.locked.Load(); old != nil && old.holder == holder && old.role == role {
		return old
	}
	e := &lockedError{h, role, holder}
	h.locked.Store(e)
	return e
}
