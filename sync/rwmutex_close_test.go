//go:build linux

package shmsync_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// rwCloser: SEGMENT. Goroutines use a lock in all ways while the segment is closed under them,
// again and again; the garbage collector runs all the time, so that what is closed is also
// unmapped.
var rwCloser = proctest.Register("rwmutex-closer", func(args []string) {
	debug.SetGCPercent(1)
	for range times(75) {
		seg, err := shm.Open(args[0])
		must(err)
		var wg sync.WaitGroup
		closed := make(chan struct{})
		for range 4 {
			wg.Go(func() { rwUseUntilClosed(seg, closed) })
		}
		proctest.Stagger(1000 * time.Microsecond) // a random moment is the subject
		if err := seg.Close(); err != nil && !errors.As(err, new(*shm.HeldError)) {
			panic(err)
		}
		close(closed)
		if rand.IntN(2) == 0 {
			wg.Wait() // otherwise the next round begins while goroutines of this one still end
		}
	}
	proctest.Say("done")
})

func rwUseUntilClosed(seg *shm.Segment, closed <-chan struct{}) {
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{Repair: func() error { return nil }})
	for err == nil || errors.Is(err, shmsync.ErrLocked) || verdict(err) == "deadline" {
		unlock := m.RUnlock
		switch rand.IntN(5) {
		case 0:
			err, unlock = m.TryLock(), m.Unlock
		case 1:
			err, unlock = m.Lock(background), m.Unlock
		case 2:
			err = m.TryRLock()
		case 3:
			err = m.RLock(background)
		default:
			//clock: waiters that give up are the subject
			err = rwWithin(time.Duration(rand.IntN(100))*time.Microsecond, m.RLock)
		}
		if err == nil {
			if rand.IntN(10) == 0 {
				runtime.Gosched()
			}
			unlock()
		}
	}
	if !errors.Is(err, shmsync.ErrClosed) {
		panic(err)
	}
	if m == nil {
		return
	}
	// until then another goroutine of this process may have the lock, and is the one to unlock it
	<-closed
	m.Unlock() // as late as this the memory must still be there
	m.RUnlock()
	for way, lock := range rwWays {
		if err := lock(m); !errors.Is(err, shmsync.ErrClosed) {
			panic(way + ": " + verdict(err))
		}
	}
}

// Operations that race with Close end without a fault. Parties that stay meet no writer inside
// meanwhile, and have the lock for themselves afterwards.
func TestRWMutexCloseRace(t *testing.T) {
	seg := newSegment(t)
	var children []*proctest.Child
	for range 2 {
		children = append(children, proctest.Start(t, rwCloser, seg.Path()))
	}
	var inside atomic.Int32 // 1 for each reader, 100 for each writer
	var staying sync.WaitGroup
	stop := make(chan struct{})
	for _, seg := range []*shm.Segment{seg, openAgain(t, seg)} {
		m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{Repair: func() error { return nil }})
		staying.Go(func() {
			for i := 0; !isClosed(stop); i++ {
				lock, unlock, weight := m.RLock, m.RUnlock, int32(1)
				if i%3 == 0 {
					lock, unlock, weight = m.Lock, m.Unlock, 100
				}
				if err := rwWithin(soon, lock); err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(weight); n > 2 && n != 100 {
					t.Errorf("%d are inside", n)
				}
				runtime.Gosched()
				inside.Add(-weight)
				unlock()
				runtime.Gosched()
			}
		})
	}
	for _, c := range children {
		c.Expect("done")
		c.WaitOK()
	}
	close(stop)
	staying.Wait()
}
