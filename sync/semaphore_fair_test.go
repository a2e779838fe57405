//go:build linux

package shmsync_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A contest is what processes share that compete for units.
type contest struct {
	s       *shmsync.Semaphore
	inUse   *shm.Int64  // units that processes have
	playing *shm.Uint32 // how many processes are ready
	over    *shm.Uint32 // 1: the contest is over
}

func openContest(seg *shm.Segment) (c contest) {
	var err error
	c.s, err = shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
	must(err)
	c.inUse, err = shm.NewInt64(seg, "in use", 0)
	must(err)
	c.playing, err = shm.NewUint32(seg, "playing", 0)
	must(err)
	c.over, err = shm.NewUint32(seg, "over", 0)
	must(err)
	return c
}

// semaphore-competitor: SEGMENT GOROUTINES WEIGHT UNITS LEAST. It acquires as often as it can until
// the contest is over, says "enough" once each goroutine has acquired LEAST times, and in the end
// how often they did in all.
var semaphoreCompetitor = proctest.Register("semaphore-competitor", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	var n [4]int64
	for i := range n {
		n[i], err = strconv.ParseInt(args[1+i], 10, 64)
		must(err)
	}
	c := openContest(seg)
	var sum atomic.Int64
	var enough, all sync.WaitGroup
	c.playing.Add(1)
	enough.Add(int(n[0]))
	for range n[0] {
		all.Go(func() { sum.Add(c.play(n[1], n[2], n[3], &enough)) })
	}
	enough.Wait()
	proctest.Say("enough")
	all.Wait()
	proctest.Say("%d", sum.Load())
})

func (c contest) play(weight, units, least int64, enough *sync.WaitGroup) (count int64) {
	for c.over.Load() == 0 || count < least {
		must(c.s.Acquire(background, weight))
		if n := c.inUse.Add(weight); n > units {
			panic(fmt.Sprintf("%d of %d units are in use", n, units))
		}
		c.inUse.Add(-weight)
		must(c.s.Release(weight))
		if count++; count == least {
			enough.Done()
		}
	}
	return count
}

// Of processes that acquire as often as they can none is kept out, one that wants all units at once
// neither: each goroutine of each of them acquires fifty times, five hundred with SHMKIT_LONG=1,
// while the others go on.
func TestSemaphoreFairness(t *testing.T) {
	for _, c := range []struct {
		undo    bool
		units   int64
		weights []int64 // of each process
	}{
		{false, 1, []int64{1, 1, 1, 1}},
		{true, 1, []int64{1, 1, 1, 1}},
		{false, 4, []int64{1, 1, 1, 4}},
		{true, 4, []int64{1, 2, 3, 4}},
	} {
		t.Run(fmt.Sprintf("undo=%v/units=%d/weights=%v", c.undo, c.units, c.weights), func(t *testing.T) {
			seg := newSegment(t)
			s := newSemaphore(t, seg, "s", c.units, shmsync.SemaphoreOptions{Undo: c.undo})
			x := openContest(seg)
			var all []*proctest.Child
			for _, weight := range c.weights {
				all = append(all, proctest.Start(t, semaphoreCompetitor, seg.Path(), "4", fmt.Sprint(weight), fmt.Sprint(c.units), fmt.Sprint(times(50))))
			}
			for _, child := range all {
				child.Expect("enough")
			}
			x.over.Store(1)
			for i, child := range all {
				child.WaitOK()
				t.Logf("process %d: %s times", i, child.Line())
			}
			wantAvailable(t, s, c.units)
		})
	}
}
