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

// recursive-crowd: SEGMENT. 10,000 goroutines, each with a holder of its own, lock twice; half of them until they are told.
var recursiveCrowded = proctest.Register("recursive-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	must(err)
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, locked, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			h, mine := shmsync.NewHolder(), background
			if i%2 == 1 {
				mine = ctx
			}
			switch err := m.Lock(mine, h); {
			case err == nil:
				must(m.Lock(background, h))
				locked.Add(1)
				m.Unlock(h)
				m.Unlock(h)
			case errors.Is(err, context.Canceled):
				canceled.Add(1)
			default:
				panic(err)
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
	proctest.Say("canceled")
	wg.Wait()
	proctest.Say("%d", locked.Load())
})

func TestRecursiveCrowd(t *testing.T) {
	seg := newSegment(t)
	m, h := newRecursive(t, seg), shmsync.NewHolder()
	wantErr(t, "lock", m.Lock(background, h), nil)
	c := proctest.Start(t, recursiveCrowded, seg.Path())
	var n int
	if fmt.Sscan(c.Line(), &n); n < 1 || n > 16 {
		t.Errorf("while all wait the process has %d threads", n)
	}
	c.Send("cancel")
	c.Expect("canceled")
	m.Unlock(h)
	c.Expect(fmt.Sprint(crowd / 2))
	c.WaitOK()
	wantErr(t, "in the end", m.TryLock(h), nil)
	m.Unlock(h)
}
