//go:build linux

package bench

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

// The time for which idle pools are watched, and the pause before that.
const (
	idleTime      = 10 * time.Second
	shortIdleTime = 500 * time.Millisecond
	settleTime    = 300 * time.Millisecond
)

// BenchmarkPoolIdle watches pools that have nothing to do for ten seconds, all at once. Its figures
// are the shares of one CPU that the parent and all workers have used.
func BenchmarkPoolIdle(b *testing.B) {
	impls := pick(newPools(b), "shmkit", "python-fork", "python-executor")
	type key struct {
		repetition int
		full       bool
	}
	watched := map[key]map[string]idleShare{}
	for _, x := range impls {
		k := key{repetition: -1}
		b.Run("impl="+x.impl, func(b *testing.B) {
			b.StopTimer()
			b.ResetTimer()
			k.full = b.N > 1
			if !k.full {
				k.repetition++
			}
			if watched[k] == nil {
				watched[k] = watchIdle(b, impls, k.full)
			}
			share, ok := watched[k][x.impl]
			if !ok {
				missing(b, "python3")
			}
			b.ReportMetric(100*share.parent, "parent-cpu-%")
			b.ReportMetric(100*share.workers, "workers-cpu-%")
			b.ReportMetric(0, "ns/op") // there is no operation
		})
	}
}

// idleShare is the CPU time of a pool's processes, as a part of the time that they were watched.
type idleShare struct{ parent, workers float64 }

// watchIdle gives the pools some tasks and watches them after that.
func watchIdle(tb testing.TB, impls []poolImpl, full bool) map[string]idleShare {
	tb.Helper()
	pids := map[string][]int{}
	for _, x := range impls {
		switch p := x.pooled.(type) {
		case *goPool:
			proctest.Eventually(tb, proctest.Hang, func() bool { // a worker may be starting
				p.apply(tb, 10, 0)
				pids[x.impl] = append([]int{os.Getpid()}, p.pids(tb)...)
				return len(pids[x.impl]) == 1+poolWorkers
			}, "all workers have started")
		case *pythonPool:
			if !lacksPython() {
				pids[x.impl] = p.pids(tb)
			}
		}
		if n := len(pids[x.impl]); n != 0 && n != 1+poolWorkers {
			tb.Fatalf("%s: %d processes, want a parent and %d workers", x.impl, n, poolWorkers)
		}
	}
	long := shortIdleTime
	if full {
		long = idleTime
	}
	time.Sleep(settleTime)
	start, before := time.Now(), cpuTimes(tb, pids)
	time.Sleep(long)
	after, took := cpuTimes(tb, pids), float64(time.Since(start))
	shares := map[string]idleShare{}
	for impl := range pids {
		s := idleShare{parent: float64(after[impl][0]-before[impl][0]) / took}
		for i := 1; i <= poolWorkers; i++ {
			s.workers += float64(after[impl][i]-before[impl][i]) / took
		}
		shares[impl] = s
	}
	return shares
}

func cpuTimes(tb testing.TB, pids map[string][]int) map[string][]time.Duration {
	tb.Helper()
	times := map[string][]time.Duration{}
	for impl, ps := range pids {
		for _, pid := range ps {
			d, err := cpuTime(pid)
			if err != nil {
				tb.Fatalf("%s: %v", impl, err)
			}
			times[impl] = append(times[impl], d)
		}
	}
	return times
}

// cpuTime is the CPU time that all threads of a process have used so far, with a resolution that no
// file in /proc has.
func cpuTime(pid int) (time.Duration, error) {
	const sched = 2 // the clock that the scheduler keeps, among those of a process
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// TestIdleRows watches the pools for a moment.
func TestIdleRows(t *testing.T) {
	impls := pick(newPools(t), "shmkit", "python-fork", "python-executor")
	shares := watchIdle(t, impls, false)
	for _, x := range impls {
		share, ok := shares[x.impl]
		if !ok {
			t.Logf("missing: python3 for %s", x.impl)
			continue
		}
		if share.parent < 0 || share.workers < 0 || share.parent > 8 || share.workers > 8 {
			t.Errorf("%s: impossible shares %+v", x.impl, share)
		}
	}
}

// TestCPUTime lets time pass, idle and busy.
func TestCPUTime(t *testing.T) {
	used := func(f func()) time.Duration {
		before, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		f()
		after, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		return after - before
	}
	busy := used(func() {
		for end := now() + (20 * time.Millisecond).Nanoseconds(); now() < end; {
			slices.Sort(make([]int, 1000))
		}
	})
	if busy <= 0 {
		t.Errorf("20 milliseconds of work took %v of CPU time", busy)
	}
	if _, err := cpuTime(1 << 22); err == nil {
		t.Error("a process that cannot be has CPU time")
	}
}
