//go:build linux

package shmsync_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Whatever is written over a semaphore while it is used, every call ends, at the latest with its
// context, and nothing panics.
func TestSemaphoreGarbage(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		for round := range 30 {
			seg := newSegment(t)
			newSemaphore(t, seg, "s", 3, shmsync.SemaphoreOptions{Undo: undo, Max: 5})
			o, err := segment.Of(seg).Open(segment.Spec{Name: "s", Kind: segment.KindSemaphore, Size: segment.AnySize})
			must(err)
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for _, seg := range []*shm.Segment{openAgain(t, seg), openAgain(t, seg)} {
				s, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
				must(err)
				for range 2 {
					wg.Go(func() { fumbleUnits(t, s, stop) })
				}
			}
			random := rand.New(rand.NewPCG(uint64(round), 1))
			for range 40 {
				runtime.Gosched()
				overwrite(random, o.Payload)
			}
			close(stop)
			wg.Wait()
			if late, err := shmsync.OpenSemaphore(openAgain(t, seg), "s", shmsync.SemaphoreOptions{}); err != nil {
				wantErr(t, "open", err, shm.ErrCorrupt)
			} else {
				late.Available()
			}
		}
	})
}

// overwrite writes zeros, ones or anything over eight bytes of mem, mostly near its beginning.
func overwrite(random *rand.Rand, mem []byte) {
	at := random.IntN(len(mem)/8) * 8
	if random.IntN(4) > 0 {
		at = random.IntN(min(len(mem)/8, 24)) * 8
	}
	kind := random.IntN(4)
	for i := range 8 {
		mem[at+i] = [...]byte{0, 0xff, byte(random.Uint32()), byte(1 - min(i, 1))}[kind]
	}
}

func fumbleUnits(t *testing.T, s *shmsync.Semaphore, stop <-chan struct{}) {
	for n := int64(1); !isClosed(stop); n++ {
		began := time.Now()
		acquireWithin(s, n%4, 300*time.Microsecond) //clock: with such words it may wait for ever
		s.TryAcquire(n % 3)
		s.Release(n % 3)
		s.Available()
		if took := time.Since(began); took > hangs {
			t.Errorf("took %v", took)
		}
	}
}
