//go:build linux

package shmsync_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A contest is what processes share that compete for units.
type contest struct {
	s       *shmsync.Semaphore
	inUse   *shm.Int64  // units that somebody has
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

// semaphore-competitor: SEGMENT GOROUTINES WEIGHT UNITS. It acquires as often as it can until the contest is over, and says how
// often that was and what its longest wait was, in nanoseconds.
var semaphoreCompetitor = proctest.Register("semaphore-competitor", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	var n [3]int64
	for i := range n {
		n[i], err = strconv.ParseInt(args[1+i], 10, 64)
		must(err)
	}
	c := openContest(seg)
	counts, waits := make([]int64, n[0]), make([]time.Duration, n[0])
	var wg sync.WaitGroup
	c.playing.Add(1)
	for i := range counts {
		wg.Go(func() { counts[i], waits[i] = c.play(n[1], n[2]) })
	}
	wg.Wait()
	sum := int64(0)
	for _, n := range counts {
		sum += n
	}
	proctest.Say("%d %d", sum, slices.Max(waits))
})

func (c contest) play(weight, units int64) (count int64, longest time.Duration) {
	for c.over.Load() == 0 {
		began := time.Now()
		must(c.s.Acquire(background, weight))
		longest = max(longest, time.Since(began))
		if n := c.inUse.Add(weight); n > units {
			panic(fmt.Sprintf("%d of %d units are in use", n, units))
		}
		c.inUse.Add(-weight)
		must(c.s.Release(weight))
		count++
	}
	return count, longest
}

// Processes that acquire as often as they can get a quarter of an even share at least, and no goroutine waits for more
// than a second, and as long as the machine stalls each of those before it; whoever wants all units at once, too. A contest lasts two
// seconds, ten with SHMKIT_LONG=1.
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
			stall := stalls(t)
			var all []*proctest.Child
			for _, weight := range c.weights {
				all = append(all, proctest.Start(t, semaphoreCompetitor, seg.Path(), "4", fmt.Sprint(weight), fmt.Sprint(c.units)))
			}
			proctest.Eventually(t, 20*time.Second, func() bool { return x.playing.Load() == uint32(len(all)) }, "not all began")
			time.Sleep(longer(2 * time.Second))
			x.over.Store(1)
			counts, sum := make([]int64, len(all)), int64(0)
			most := time.Second + time.Duration(4*len(all))*stall()
			for i, child := range all {
				child.WaitOK()
				var longest time.Duration
				if _, err := fmt.Sscan(child.Line(), &counts[i], (*int64)(&longest)); err != nil {
					t.Fatal(err)
				}
				sum += counts[i]
				t.Logf("process %d: %d times, the longest wait was %v", i, counts[i], longest)
				if longest > most {
					t.Errorf("a goroutine waited for %v, stalls of the machine were up to %v", longest, stall())
				}
			}
			wantAvailable(t, s, c.units)
			if least, fair := slices.Min(counts), sum/int64(len(all)); least < fair/4 {
				t.Errorf("a process had units %d times, an even share is %d", least, fair)
			}
		})
	}
}
