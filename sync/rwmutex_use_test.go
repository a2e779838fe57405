//go:build linux

package shmsync_test

import (
	"sync"
	"sync/atomic"
	"testing"

	shmsync "github.com/shmkit/shmkit/sync"
)

// A program that guards an ordinary variable with an RWMutex has no race, whichever handle it uses
// and however it locks, and the detector reports none. In a build without the detector this only
// checks the number.
func TestRWMutexOrders(t *testing.T) {
	seg := newSegment(t)
	handles := []*shmsync.RWMutex{newRWMutexIn(t, seg, shmsync.RWMutexOptions{}), newRWMutexIn(t, seg, shmsync.RWMutexOptions{})}
	n, seen := 0, atomic.Int64{}
	const goroutines, rounds = 8, 300
	var wg sync.WaitGroup
	for i := range goroutines {
		m := handles[i%2]
		lock := []func(){
			func() {
				for m.TryLock() != nil {
				}
			},
			m.Locker().Lock,
			func() { must(m.Lock(background)) },
			func() { must(m.RLock(background)) },
			m.RLocker().Lock,
			func() {
				for m.TryRLock() != nil {
				}
			},
			func() { must(m.RLock(background)) },
			func() { must(m.Lock(background)) },
		}[i]
		wg.Go(func() {
			for range rounds {
				lock()
				if i < 3 || i == 7 {
					n++
					m.Unlock()
				} else {
					seen.Store(int64(n))
					m.RUnlock()
				}
			}
		})
	}
	wg.Wait()
	if n != 4*rounds || seen.Load() > 4*rounds {
		t.Errorf("counted to %d, want %d", n, 4*rounds)
	}
}

// A Locker panics instead of returning without the lock, and leaves what a dead writer left to the
// next.
func TestRWMutexLockers(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	m.RLocker().Lock()
	wantErr(t, "TryLock", m.TryLock(), shmsync.ErrLocked)
	m.RLocker().Unlock()
	m.Locker().Lock()
	wantErr(t, "TryRLock", m.TryRLock(), shmsync.ErrLocked)
	m.Locker().Unlock()
	rwAgentThat(t, seg, "lock", "ok").Kill()
	wantPanic(t, "RLocker", "died", m.RLocker().Lock)
	wantPanic(t, "Locker", "died", m.Locker().Lock)
	wantErr(t, "Lock", m.Lock(background), shmsync.ErrOwnerDied)
	repair(t, m)
	m.RLocker().Lock()
	wantErr(t, "TryLock", m.TryLock(), shmsync.ErrLocked)
	m.RLocker().Unlock()
}
