package owned

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

var errOverwritten = fmt.Errorf("%w: its lock was overwritten: remove it and make it anew", segment.ErrCorrupt)

// Lock takes a lock of the object, after repair has mended what a dead holder left. It waits until
// ctx ends.
//
// Errors: that of repair, [segment.ErrCorrupt], [lock.ErrClosed], the context's error with the name
// of the holder.
func Lock(ctx context.Context, o *segment.Object, mu *lock.Mutex, repair func() error) error {
	err := mu.LockWith(ctx, &lock.LockOptions{Repair: func(*lock.OwnerDiedError) error { return repair() }})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, lock.ErrNotHeld):
		return errOverwritten
	case ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)):
		return err
	}
	holder, since := mu.Holding()
	if holder == 0 {
		return fmt.Errorf("change it: %w", err)
	}
	info, _ := o.Seg.Table().Info(holder)
	return fmt.Errorf("change it: locked by %v since %s or earlier: %w", info, since.Format(wait.Clock), err)
}

// Unlock ends a change. It sets err, if that is nil, when other processes may not see the change:
// when the lock was overwritten, or Close has not waited for the change.
func Unlock(o *segment.Object, mu *lock.Mutex, err *error) {
	// Asked before the lock is given up: Close waits for its holder, unless it has given up.
	left := o.Closed() && o.Seg.Detached()
	held := mu.TryUnlock()
	switch {
	case *err != nil:
	case left || !held && o.Closed():
		*err = lock.ErrClosed
	case !held:
		*err = errOverwritten
	}
	runtime.KeepAlive(o)
}

// Corrupt is the error for bytes of an object that make no sense.
func Corrupt(o *segment.Object) error {
	if o.Closed() {
		return o.Gone()
	}
	return fmt.Errorf("%w: its bytes make no sense: remove it and make it anew", segment.ErrCorrupt)
}
