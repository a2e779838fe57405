//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

const crowd = 10_000

// threads is how many OS threads this process has.
func threads() (n int) {
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "Threads:"); ok {
			_, err := fmt.Sscan(rest, &n)
			must(err)
		}
	}
	return n
}

// crowded: SEGMENT. It blocks a crowd of goroutines on one lock, says how many threads it has, and cancels every other
// of them when it is told to.
var crowded = proctest.Register("crowded", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{})
	must(err)
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, locked, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			var err error
			if i%2 == 0 {
				err = m.Lock(background)
			} else {
				err = m.Lock(ctx)
			}
			switch {
			case err == nil:
				locked.Add(1)
				m.Unlock()
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
func TestCrowd(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	wantErr(t, "lock", m.Lock(background), nil)
	c := proctest.Start(t, crowded, seg.Path())
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
