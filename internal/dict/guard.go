package dict

import (
	"context"
	"sync"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/owned"
	"github.com/shmkit/shmkit/internal/proctab"
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
		mu:      lock.NewMutex(m.o.Party(), m.o.LockMemory(s.lock[:]), wait.Adaptive),
		bell:    lock.NewEventCount(m.o.Party(), m.o.LockMemory(s.bell[:])),
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

func (h hold) lockSlow(ctx context.Context) error { return owned.Lock(ctx, h.m.o, h.mu, h.mend) }

// unlock ends a change; see [owned.Unlock].
func (h hold) unlock(err *error) {
	h.m.order.ReleaseMerge()
	owned.Unlock(h.m.o, h.mu, err)
}
