//go:build linux

package bench

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// taskLengths are how long the tasks of BenchmarkMapLength keep a worker busy.
var taskLengths = []struct {
	name   string
	length time.Duration
	tasks  int // of one Map
}{
	{"1us", time.Microsecond, 10000},
	{"10us", 10 * time.Microsecond, 4000},
	{"100us", 100 * time.Microsecond, 1000},
	{"1ms", time.Millisecond, 200},
	{"10ms", 10 * time.Millisecond, 40},
	{"100ms", 100 * time.Millisecond, 8},
}

// keepBusy computes for so many nanoseconds, and returns 1.
var keepBusy = pool.Define("keep busy", func(_ context.Context, ns int64) (int64, error) {
	for start := time.Now(); time.Since(start) < time.Duration(ns); { //clock: work of so long
	}
	return 1, nil
})

// BenchmarkMapLength maps tasks that are busy for a while. An operation is one task. The figure
// efficiency-% is the part of the workers' time that went into the tasks.
func BenchmarkMapLength(b *testing.B) {
	impls := pick(newPools(b), "shmkit", "local", "python-fork", "python-executor")
	for _, x := range taskLengths {
		b.Run("length="+x.name, func(b *testing.B) { lengthComparison(impls, x.length, x.tasks).run(b) })
	}
}

func lengthComparison(impls []poolImpl, length time.Duration, tasks int) *comparison {
	return &comparison{
		contenders: contenders(impls, func(tb testing.TB, p pooled, ops int) answer { return p.mapBusy(tb, ops, tasks, length) }),
		tasks:      tasks,
		want:       func(ops int) int64 { return int64(ops * tasks) },
		first:      1, rounds: 5, budget: 100 * time.Millisecond, most: 10,
		finish: func(b *testing.B, f figures, _ []figures) {
			b.ReportMetric(100*float64(length)/(poolWorkers*median(f.rounds)), "efficiency-%")
		},
	}
}

func (g *goPool) mapBusy(tb testing.TB, calls, tasks int, length time.Duration) answer {
	tb.Helper()
	args := make([]int64, tasks)
	for i := range args {
		args[i] = int64(length)
	}
	return mapCalls(tb, g.get(tb), keepBusy, args, calls, 0)
}

func (p *pythonPool) mapBusy(tb testing.TB, calls, tasks int, length time.Duration) answer {
	return p.ask(tb, "busy", calls, tasks, length.Nanoseconds())
}

// TestMapLengthRows does a few tasks of one length.
func TestMapLengthRows(t *testing.T) {
	impls := pick(newPools(t), "shmkit", "local", "python-fork", "python-executor")
	lengthComparison(impls, 10*time.Microsecond, 20).test(t)
}
