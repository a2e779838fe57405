//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// rwCrowded: SEGMENT. It blocks a crowd of goroutines on one lock, one in ten to write, says how many threads it has,
// and cancels every other of them when it is told to.
var rwCrowded = proctest.Register("rwmutex-crowded", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{})
	must(err)
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, locked, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			c := background
			if i%2 == 0 {
				c = ctx
			}
			lock, unlock := m.RLock, m.RUnlock
			if i%20 < 2 {
				lock, unlock = m.Lock, m.Unlock
			}
			switch err := lock(c); {
			case err == nil:
				locked.Add(1)
				unlock()
			case errors.Is(err, context.Canceled):
				canceled.Add(1)
			default:
				must(err)
			}
		})
	}
	for began.Load() < crowd {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	proctest.Say("%d", threads())
	proctest.Hear()
	cancel()
	for canceled.Load() < crowd/2 {
		time.Sleep(time.Millisecond)
	}
	proctest.Say("%d", threads())
	wg.Wait()
	proctest.Say("%d %d", locked.Load(), canceled.Load())
})

// 10,000 goroutines of one process that wait for a lock which another one holds need few threads. Half of them are
// cancelled; all others get the lock in the end.
func TestRWMutexCrowd(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "lock", m.Lock(background), nil)
	c := proctest.Start(t, rwCrowded, seg.Path())
	checkThreads := func(when string) {
		var n int
		if fmt.Sscan(c.Line(), &n); n < 1 || n > 16 {
			t.Errorf("%s the process has %d threads", when, n)
		}
	}
	checkThreads("while all wait")
	c.Send("cancel")
	checkThreads("after half of them left")
	m.Unlock()
	c.Expect(fmt.Sprint(crowd/2, " ", crowd/2))
	c.WaitOK()
	wantErr(t, "in the end", m.TryLock(), nil)
	m.Unlock()
}
