//go:build linux

package shmsync_test

import (
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

const condKind = segment.KindCond

// seats is how many seats of the condition variable "c" have been handed out.
func seats(t testing.TB, seg *shm.Segment) int {
	return int(binary.NativeEndian.Uint32(payload(t, seg, condKind, "c")[16:]))
}

// Whatever is written over a condition variable, each call ends, with its context at the latest,
// and nothing panics.
func TestCondGarbage(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	mem := payload(t, seg, condKind, "c")
	var wg sync.WaitGroup
	end := make(chan struct{})
	for i := range 6 {
		wg.Go(func() {
			for !isClosed(end) {
				//clock: with such words it may wait for ever
				switch err := condWithin(c, m, time.Millisecond); {
				case err == nil, verdict(err) == "deadline", errors.Is(err, shm.ErrCorrupt), errors.Is(err, shmsync.ErrTooManyWaiters):
				default:
					t.Error(err)
				}
				switch i % 3 {
				case 0:
					c.Signal()
				case 1:
					c.Notify(3)
				default:
					c.Broadcast()
				}
				if n := c.Waiting(); n < 0 {
					t.Errorf("%d wait", n)
				}
			}
		})
	}
	wg.Go(func() {
		defer close(end)
		for range times(10000) {
			scrawl(mem[:256]) // the lock, the head, and the first seats
			scrawl(mem)
			runtime.Gosched()
		}
	})
	wg.Wait()
	clear(mem) // or it may look as if this process held its lock
}
