package shmsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/cond"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Cond is a condition variable: goroutines of all processes, each of which holds a lock, give
// it up to wait until one of them, or one that holds no lock, notifies them.
// The program defines the condition, and the lock guards it: a caller that returns from Wait must
// look again. As with [sync.Cond], a notification reaches only goroutines that wait already, and no
// waiter returns without one, unless a process dies: then one waiter too many may return. A process
// that dies while it holds the lock may be the one that would have notified. So waiters return
// within a second, with an [*OwnerDiedError] and with the lock, for as long as the lock waits for
// repair. The process that repairs it should call Broadcast.
//
// The waiters of one Cond should all use the same lock. It need not be in the same segment. A Cond
// is made by [NewCond] or [OpenCond], or by UnmarshalBinary of what another process's MarshalBinary
// wrote; the zero value is only for that. It must not be copied.
//
// Signal, Notify and Broadcast synchronize before the return of each Wait that they let go, in any
// process.
type Cond struct {
	handle
	c      *cond.Var
	policy WaitPolicy
}

// CondOptions belong to one handle, not to the condition variable: processes may use different
// ones.
type CondOptions struct {
	// Wait says how Wait waits. The first handle that a process makes of a Cond decides for all of
	// them.
	Wait WaitPolicy
}

// A Lockable is what [Cond.Wait] gives up while it waits: a [Mutex], an [RWMutex], what
// [RecursiveMutex.As] returns, or a lock of the program's own. It is held when Lock returns nil,
// and otherwise it is not. Unlock is called once: a RecursiveMutex that is locked twice stays
// locked.
type Lockable interface {
	Lock(ctx context.Context) error
	Unlock()
}

// ErrTooManyWaiters says that 131,071 goroutines of this process wait for a [Cond] already.
var ErrTooManyWaiters = cond.ErrTooManyWaiters

// NewCond finds the Cond of that name in the segment, or makes it.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewCond(seg *shm.Segment, name string, o CondOptions) (*Cond, error) {
	return find(&Cond{policy: o.Wait}, seg, condSpec(seg, name))
}

// OpenCond finds the Cond of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenCond(seg *shm.Segment, name string, o CondOptions) (*Cond, error) {
	return open(&Cond{policy: o.Wait}, seg, condSpec(seg, name))
}

func condSpec(seg *shm.Segment, name string) segment.Spec {
	return segment.Spec{Name: name, Kind: segment.KindCond, Size: int64(cond.Bytes(slotsOf(segment.Of(seg))))}
}

// UnmarshalBinary makes c a handle of the Cond that another process's MarshalBinary
// wrote down. Options that c has stay.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (c *Cond) UnmarshalBinary(b []byte) error { return unmarshal(c, b, segment.KindCond) }

func (c *Cond) bind(o *segment.Object) error {
	if err := sized(o, cond.Bytes(slotsOf(o.Seg))); err != nil {
		return err
	}
	c.o = o
	c.c = o.Local(func() (any, func() bool) {
		l := cond.New(o.Party(), o.Payload, wait.Policy(c.policy))
		l.SetTarget(o.Target(lock.RoleCond))
		l.Keep = o
		return l, l.Held
	}).(*cond.Var)
	return nil
}

// Wait unlocks l, waits until c is notified or ctx ends, and locks l again before it returns. A
// notifier that comes after l was unlocked finds this goroutine waiting. The locking cannot be
// cancelled. Waiters of one process are notified in the order in which they came.
//
// l is held when Wait returns, also with an error, unless the segment of l was closed: then its
// Unlock does nothing. So a deferred Unlock of l is right in every case. Only a lock of the
// program's own can be lost: it is not held when the error is one of its Lock.
//
// When ctx has ended already, Wait returns at once, without unlocking l.
//
// Preconditions: l is held.
//
// Errors:
//   - the context's error: c was not notified.
//   - [*OwnerDiedError]: a process died while it held l, and what l guards has not been repaired
//     since: leave that alone. An Unlock of l leaves it waiting for repair, see [Mutex.LockRepair].
//     The context's error may come with it. With a Repair function in the options of l it comes
//     only when that fails, with the error of the function.
//   - [ErrTooManyWaiters], [shm.ErrCorrupt], and [io/fs.ErrInvalid] when l is nil: l was not
//     unlocked.
//   - [ErrClosed]: the segment of c was closed, or that of l.
//
// When l.Unlock panics, as it does when l is not held, Wait does.
func (c *Cond) Wait(ctx context.Context, l Lockable) error {
	if l == nil {
		return segment.Invalid("shmsync: wait for %q: the lock must not be nil", c.o.Name)
	}
	inner, orphan := relockable(l)
	began := startOf(ctx)
	over, again := c.c.Wait(ctx, inner, orphan)
	return c.wrap(c.notNotified(ctx, over, began), again)
}

// WaitFor waits as [Cond.Wait] does until pred returns true. Pred is called while l is held. It is
// called at least once, and for a last time when ctx has ended. WaitFor returns nil when it has
// returned true, and l is held then.
//
// Preconditions: l is held.
//
// Errors: those of Wait; pred must not be nil.
func (c *Cond) WaitFor(ctx context.Context, l Lockable, pred func() bool) error {
	if l == nil || pred == nil {
		return segment.Invalid("shmsync: wait for %q: neither the lock nor the function may be nil", c.o.Name)
	}
	inner, orphan := relockable(l)
	began := startOf(ctx)
	for !pred() {
		over, again := c.c.Wait(ctx, inner, orphan)
		if over != nil && again == nil && ctx.Err() != nil && !errors.Is(over, ErrClosed) && pred() {
			return nil
		}
		if err := c.wrap(c.notNotified(ctx, over, began), again); err != nil {
			return err
		}
	}
	return nil
}

// notNotified says which Cond a wait was for that its context has ended.
func (c *Cond) notNotified(ctx context.Context, over error, began time.Time) error {
	if over == nil {
		return nil
	}
	return c.waited(ctx, over, lock.RoleCond, "wait: not notified", began)
}

// wrap makes one error of why a waiter was not notified and that of locking again.
func (c *Cond) wrap(over, again error) error {
	switch {
	case errors.Is(over, lock.ErrNoCell):
		over = c.concluded(fmt.Errorf("shmsync: wait for %q: %w: %w", c.o.Name, shm.ErrCorrupt, over))
	case errors.Is(over, ErrTooManyWaiters):
		over = fmt.Errorf("shmsync: wait for %q: %w", c.o.Name, over)
	}
	switch {
	case over == nil:
		return again
	case again == nil, errors.Is(over, ErrClosed) && errors.Is(again, ErrClosed):
		return over
	}
	return errors.Join(over, again)
}

// Signal lets one goroutine go that waits, if there is any. The lock may be held, or not. It does
// not wait. After its segment was closed it does nothing.
func (c *Cond) Signal() { c.c.Notify(1) }

// Notify lets n goroutines go that wait, or as many as there are; none when n is not positive.
// Otherwise it is like [Cond.Signal].
func (c *Cond) Notify(n int) { c.c.Notify(n) }

// Broadcast lets all goroutines go that wait. Otherwise it is like [Cond.Signal].
func (c *Cond) Broadcast() { c.c.Broadcast() }

// Waiting is how many goroutines of all processes wait and were not notified yet. One that is about
// to unlock its lock is counted already. The number may have changed by the time that it is looked
// at.
func (c *Cond) Waiting() int { return c.c.Waiting() }
