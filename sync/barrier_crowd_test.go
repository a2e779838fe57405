//go:build linux

package shmsync_test

import (
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

const barrierCrowd = 1000

// barrier-crowd: SEGMENT. A thousand goroutines wait for the other process's ones. It says how many
// threads it has then.
var barrierCrowded = proctest.Register("barrier-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	b, err := shmsync.NewBarrier(seg, "b", 2*barrierCrowd, shmsync.BarrierOptions{})
	must(err)
	for proctest.Hear() == "go" {
		var wg sync.WaitGroup
		var failed atomic.Int64
		for range barrierCrowd {
			wg.Go(func() {
				if _, err := b.Wait(background); errors.Is(err, shmsync.ErrBroken) {
					failed.Add(1)
				} else {
					must(err)
				}
			})
		}
		for b.Waiting() < barrierCrowd {
			proctest.Stagger(2 * time.Millisecond) // between two looks
		}
		proctest.Say("%d", threads())
		wg.Wait()
		proctest.Say("%d", failed.Load())
	}
})

// A barrier of 1,000 goroutines in each of two processes needs few threads, and trips and breaks
// for all of them.
func TestBarrierCrowd(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 2*barrierCrowd, shmsync.BarrierOptions{})
	c := proctest.Start(t, barrierCrowded, seg.Path())
	for round := range 6 {
		c.Send("go")
		var n int
		if fmt.Sscan(c.Line(), &n); n < 1 || n > proctest.FewThreads {
			t.Errorf("while all wait the process has %d threads", n)
		}
		var indices sync.Map
		var wg sync.WaitGroup
		broken := round%2 == 1
		for i := range barrierCrowd {
			wg.Go(func() {
				if i == barrierCrowd-1 && broken {
					b.Abort()
				}
				index, err := waitBarrier(b)
				if err == nil {
					indices.Store(index, true)
				} else if !broken || !errors.Is(err, shmsync.ErrBroken) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if broken {
			c.Expect(fmt.Sprint(barrierCrowd))
			b.Reset()
			continue
		}
		c.Expect("0")
		for i := range barrierCrowd {
			if _, ok := indices.Load(barrierCrowd + i); !ok {
				t.Errorf("nobody came as number %d", barrierCrowd+i)
			}
		}
	}
	c.Kill()
}
