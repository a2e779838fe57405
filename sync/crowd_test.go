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

// blockCrowd has a crowd of goroutines wait for something, says how many threads that takes, and
// cancels every other of them when it is told to. It says how many threads there are then, and in
// the end how many goroutines got through and how many were cancelled.
func blockCrowd(wait func(ctx context.Context, i int) error) {
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, through, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			mine := background
			if i%2 == 1 {
				mine = ctx
			}
			switch err := wait(mine, i); {
			case err == nil:
				through.Add(1)
			case errors.Is(err, context.Canceled):
				canceled.Add(1)
			default:
				must(err)
			}
		})
	}
	for began.Load() < crowd {
		proctest.Stagger(2 * time.Millisecond) // between two looks
	}
	// all but a few sleep by then: no list has 10,000 goroutines
	proctest.Stagger(100 * time.Millisecond)
	proctest.Say("%d", threads())
	proctest.Hear()
	cancel()
	for canceled.Load() < crowd/2 {
		proctest.Stagger(2 * time.Millisecond) // between two looks
	}
	proctest.Say("%d", threads())
	wg.Wait()
	proctest.Say("%d %d", through.Load(), canceled.Load())
}

// checkCrowd fails the test unless the crowd of c needs few threads, and its other half gets
// through when what it waits for is freed.
func checkCrowd(t *testing.T, c *proctest.Child, free func()) {
	t.Helper()
	checkThreads(t, c, "while all wait")
	c.Send("cancel")
	checkThreads(t, c, "after half of them left")
	free()
	c.Expect(fmt.Sprint(crowd/2, " ", crowd/2))
}

func checkThreads(t *testing.T, c *proctest.Child, when string) {
	t.Helper()
	var n int
	if fmt.Sscan(c.Line(), &n); n < 1 || n > proctest.FewThreads {
		t.Errorf("%s the process has %d threads", when, n)
	}
}

// crowded: SEGMENT. A crowd waits for one lock.
var crowded = proctest.Register("crowded", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{})
	must(err)
	blockCrowd(func(ctx context.Context, _ int) error {
		err := m.Lock(ctx)
		if err == nil {
			m.Unlock()
		}
		return err
	})
})

// 10,000 goroutines of one process that wait for a lock which another one holds need few threads.
// Half of them are cancelled; all others get the lock in the end.
func TestCrowd(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	wantErr(t, "lock", m.Lock(background), nil)
	c := proctest.Start(t, crowded, seg.Path())
	checkCrowd(t, c, m.Unlock)
	c.WaitOK()
	wantErr(t, "in the end", m.TryLock(), nil)
	m.Unlock()
}
