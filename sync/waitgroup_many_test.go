//go:build linux

package shmsync_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// waitgroup-crowd: SEGMENT. A crowd waits for one wait group.
var waitGroupCrowd = proctest.Register("waitgroup-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	g, err := shmsync.OpenWaitGroup(seg, "g", shmsync.WaitGroupOptions{})
	must(err)
	blockCrowd(func(ctx context.Context, _ int) error { return g.Wait(ctx) })
})

// 10,000 goroutines of one process that wait need few threads. Half of them are cancelled; all
// others return.
func TestWaitGroupCrowd(t *testing.T) {
	t.Parallel()
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g := newWaitGroup(t, seg, "g", undo)
		wantErr(t, "add", g.Add(1), nil)
		c := proctest.Start(t, waitGroupCrowd, seg.Path())
		checkCrowd(t, c, func() { wantErr(t, "done", g.Done(), nil) })
		c.WaitOK()
	})
}

func TestWaitGroupNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		g := newWaitGroup(t, newSegment(t), "g", undo)
		if n := testing.AllocsPerRun(1000, func() {
			must(g.Add(2))
			g.Count()
			must(g.Done())
			must(g.Done())
			must(g.Wait(background))
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// What goroutines did before Done is visible after Wait, and the detector reports no race. In a
// build without it this only checks the sum.
func TestWaitGroupOrders(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g, other := newWaitGroup(t, seg, "g", undo), newWaitGroup(t, seg, "g", undo)
		const goroutines, rounds = 4, 200
		for range rounds {
			var parts [goroutines]int
			must(g.Add(goroutines))
			for i := range parts {
				go func() {
					parts[i] = i + 1
					must(other.Done())
				}()
			}
			must(g.Wait(background))
			if parts != [...]int{1, 2, 3, 4} {
				t.Fatalf("%v", parts)
			}
		}
		for range rounds {
			n := 0
			must(g.Add(1))
			go func() {
				n = 1
				must(other.Done())
			}()
			for g.Count() > 0 {
				runtime.Gosched()
			}
			if n != 1 {
				t.Fatal("the count was 0 too early")
			}
		}
	})
}

// Whatever is written over a wait group while it is used, every call ends, at the latest with its
// context, and nothing panics.
func TestWaitGroupGarbage(t *testing.T) {
	t.Parallel()
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		for round := range 30 {
			seg := newSegment(t)
			newWaitGroup(t, seg, "g", undo)
			o, err := segment.Of(seg).Open(segment.Spec{Name: "g", Kind: segment.KindWaitGroup, Size: segment.AnySize})
			must(err)
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for _, seg := range []*shm.Segment{openAgain(t, seg), openAgain(t, seg)} {
				g, err := shmsync.OpenWaitGroup(seg, "g", shmsync.WaitGroupOptions{})
				must(err)
				for range 2 {
					wg.Go(func() { fumbleGroup(t, g, stop) })
				}
			}
			random := rand.New(rand.NewPCG(uint64(round), 2))
			for range 40 {
				runtime.Gosched()
				overwrite(random, o.Payload)
			}
			close(stop)
			wg.Wait()
			if late, err := shmsync.OpenWaitGroup(openAgain(t, seg), "g", shmsync.WaitGroupOptions{}); err != nil {
				wantErr(t, "open", err, shm.ErrCorrupt)
			} else {
				late.Count()
			}
		}
	})
}

func fumbleGroup(t *testing.T, g *shmsync.WaitGroup, stop <-chan struct{}) {
	for n := int64(1); !isClosed(stop); n++ {
		began := time.Now()
		g.Add(n % 3)
		waitWithin(g, 300*time.Microsecond) //clock: with such words it may wait for ever
		g.Done()
		g.Add(-(n % 5))
		g.Count()
		if took := time.Since(began); took > hangs {
			t.Errorf("took %v", took)
		}
	}
}
