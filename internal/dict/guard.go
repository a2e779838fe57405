package dict

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// localStripe is what the goroutines of this process share of a stripe.
type localStripe struct {
	mu   *lock.Mutex
	bell *lock.EventCount

	waits sync.Mutex
	// the processes that goroutines wait for, and how many of them do; guarded by waits
	fillers map[proctab.Owner]int
}

// at returns this process's half of the i-th stripe, and makes it at the first use.
func (m *Map) at(i uint64) *localStripe {
	if l := m.local[i].Load(); l != nil {
		return l
	}
	s := m.stripe(i)
	l := &localStripe{
		mu:      lock.NewMutex(m.o.Party(), s.lock[:], wait.Adaptive),
		bell:    lock.NewEventCount(m.o.Party(), s.bell[:]),
		fillers: map[proctab.Owner]int{},
	}
	l.mu.Target = m.o.StripeTarget(lock.RoleStripe, i)
	l.bell.Target = m.o.StripeTarget(lock.RoleFill, i)
	if m.local[i].CompareAndSwap(nil, l) {
		return l
	}
	return m.local[i].Load()
}

// held reports whether this process holds a lock of the Dict.
func (m *Map) held() bool {
	for i := range m.local {
		if l := m.local[i].Load(); l != nil && l.mu.Held() {
			return true
		}
	}
	return false
}

// A hold is a stripe that this goroutine has locked.
type hold struct {
	*stripe
	m  *Map
	i  uint64 // number of the stripe
	mu *lock.Mutex
}

// lock locks the i-th stripe, after mending what a dead holder has left.
//
// Errors: [segment.ErrCorrupt], [lock.ErrClosed], the context's error.
func (m *Map) lock(ctx context.Context, i uint64) (hold, error) {
	h := hold{m.stripe(i), m, i, m.at(i).mu}
	if !h.mu.LockFast() {
		if err := h.lockSlow(ctx); err != nil {
			return h, err
		}
	}
	if h.boot.Load() != m.boot {
		if err := h.enterBoot(); err != nil {
			h.mu.TryUnlock()
			return h, err
		}
	}
	return h, nil
}

func (h hold) lockSlow(ctx context.Context) error {
	repair := lock.LockOptions{Repair: func(*lock.OwnerDiedError) error { return h.mend() }}
	err := h.mu.LockWith(ctx, &repair)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, lock.ErrNotHeld):
		return errOverwritten
	case ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)):
		return err
	}
	holder, since := h.mu.Holding()
	if holder == 0 {
		return fmt.Errorf("change it: %w", err)
	}
	info, _ := h.m.s.Table().Info(holder)
	return fmt.Errorf("change it: locked by %v since %s or earlier: %w", info, since.Format("15:04:05.000"), err)
}

var errOverwritten = fmt.Errorf("%w: its lock was overwritten: remove it and make it anew", segment.ErrCorrupt)

// unlock ends a change. It sets err, if that is nil, when other processes may not see the change:
// when the lock was overwritten, or Close has not waited for the change.
func (h hold) unlock(err *error) {
	m := h.m
	m.order.ReleaseMerge()
	closing := m.o.Closed()
	left := closing && m.s.Detached() // Close waits for a holder of a lock, unless it has given up
	held := h.mu.TryUnlock()
	switch {
	case *err != nil:
	case left:
		*err = lock.ErrClosed
	case !held:
		*err = errOverwritten
	}
	runtime.KeepAlive(m)
}
