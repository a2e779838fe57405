package shmsync

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Once has one function succeed, once, in one of all processes.
//
// While the function runs others wait. When the process that runs it dies, one of them runs it
// again: what the dead one has done of it is there, so the function must be one that can start
// over.
//
// A Once is made by [NewOnce] or [OpenOnce], or by UnmarshalBinary of what
// another process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// The return of the function synchronizes before the return of each Do that returns nil, and of
// each Done that reports true, in any process.
type Once struct {
	handle
	shared *once
	policy WaitPolicy
}

// once is what the handles of one process share.
type once struct {
	m      *lock.Mutex // held while the function runs
	body   *onceBody
	shadow race.Shadow
}

// OnceOptions belong to one handle, not to the Once: processes may use different ones.
type OnceOptions struct {
	// Wait says how Do waits. The first handle that a process makes of a Once decides for all of
	// them.
	Wait WaitPolicy
}

// NewOnce finds the Once of that name in the segment, or makes it, not done.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewOnce(seg *shm.Segment, name string, o OnceOptions) (*Once, error) {
	return find(&Once{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindOnce, Size: onceBytes})
}

// OpenOnce finds the Once of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenOnce(seg *shm.Segment, name string, o OnceOptions) (*Once, error) {
	return open(&Once{policy: o.Wait}, seg, segment.Spec{Name: name, Kind: segment.KindOnce, Size: onceBytes})
}

// UnmarshalBinary makes o a handle of the Once that another process's MarshalBinary
// wrote down. Options that o has stay.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (o *Once) UnmarshalBinary(b []byte) error { return unmarshal(o, b, segment.KindOnce) }

func (o *Once) bind(object *segment.Object) error {
	if err := sized(object, onceBytes); err != nil {
		return err
	}
	o.o = object
	o.shared = object.Local(func() (any, func() bool) {
		body := onceIn(object.Payload)
		m := lock.NewMutex(object.Party(), body.lock[:], wait.Policy(o.policy))
		m.Target = object.Target(lock.RoleOnce)
		return &once{m: m, body: body}, m.Held
	}).(*once)
	return nil
}

// Do returns nil once a function that was given to Do, here or elsewhere, has returned nil. It runs
// f if none has yet, and none is being run. When f returns an error, panics, or ends its goroutine,
// Do does so too, and the next one to call Do, or one that waits, runs its own. When o is not done
// and no function runs, f is run even if ctx has ended. f must not call Do of the same Once.
//
// Errors:
//   - that of f.
//   - the context's: f was not run.
//   - [ErrClosed]: o was not done when this process closed the segment. If f was run, it was for
//     nothing: another process may run its own.
//   - [io/fs.ErrInvalid]: f is nil.
func (o *Once) Do(ctx context.Context, f func() error) error {
	if o.Done() {
		return nil
	}
	return o.doSlow(ctx, f)
}

// Done reports whether a function has succeeded. It stays true after the segment was closed.
func (o *Once) Done() bool {
	s := o.shared
	// SYNC: once: what the function did is visible.
	done := s.body.done.Load() == 1
	if done {
		s.shadow.Acquire()
	}
	runtime.KeepAlive(o)
	return done
}

// doSlow waits for the lock, and does what it finds to do.
// What a death leaves behind: with the lock held and done not set, a function that is run again;
// after done was set, a lock that is not needed any more.
func (o *Once) doSlow(ctx context.Context, f func() error) error {
	if f == nil {
		return fmt.Errorf("shmsync: %w", segment.Invalid("once %q: the function must not be nil", o.Name()))
	}
	defer runtime.KeepAlive(o)
	m := o.shared.m
	if err := m.Lock(ctx); errors.Is(err, ErrOwnerDied) {
		m.TryMarkConsistent() // it guards nothing but the function's turn
	} else if err != nil {
		if o.Done() {
			return nil
		}
		return o.waitedFor(ctx, err, lock.RoleOnce, m)
	}
	defer m.TryUnlock() // false when damaged bytes say that another process has the lock
	if o.Done() {
		return nil
	}
	if err := f(); err != nil {
		return err
	}
	crashpoint.Here("once.run")
	o.shared.shadow.ReleaseMerge()
	// SYNC: once: all that f did is visible to a caller that finds it done.
	o.shared.body.done.Store(1)
	crashpoint.Here("once.done")
	if o.o.Seg.Detached() { // then no other process has seen that
		return ErrClosed
	}
	return nil
}
