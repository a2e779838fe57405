//go:build linux

package bench

import (
	"cmp"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"
)

// A contender is one implementation in a comparison.
type contender struct {
	impl string
	// do does so many operations, one after the other.
	do func(tb testing.TB, ops int) answer
	// workerMallocs counts the allocations of the workers so far. Nil where no allocations are
	// counted.
	workerMallocs func(tb testing.TB) uint64
}

// answer has the results and the times of operations.
type answer struct {
	total int64     // of all results
	ns    []float64 // of each operation
}

// sum is the nanoseconds of all operations.
func (a answer) sum() (ns float64) {
	for _, x := range a.ns {
		ns += x
	}
	return ns
}

// comparison measures its contenders by turns, a round of each at a time, so that other work of the
// machine hits them all alike. Each row reports its part of the same measurement.
type comparison struct {
	contenders []contender
	tasks      int                 // in one operation, 0 is 1
	want       func(ops int) int64 // the total of so many operations
	// Operations in a round of the first measurement, which finds out how long they take.
	first int
	// Rounds of the first measurement, the only one with -benchtime 1x; 0 is 2.
	shortly int
	rounds  int           // of the measurement that counts
	budget  time.Duration // of a round in it
	most    int           // operations in a round of it, at most
	unit    latencyUnit   // of the latency of single operations
	finish  func(b *testing.B, f figures, all []figures)

	short, full [][]figures // by repetition (see -count) and contender
}

// latencyUnit says how the latency of single operations is reported, if it is.
type latencyUnit string

const (
	noLatency    latencyUnit = ""
	nanoseconds  latencyUnit = "ns"
	milliseconds latencyUnit = "ms"
)

// figures are the measurements of one contender.
type figures struct {
	impl         string
	rounds       []float64 // nanoseconds of an operation, or of a task of one
	each         []float64 // nanoseconds of single operations
	tasks        int
	counted      bool   // the mallocs are known
	own, workers uint64 // mallocs
}

// run makes a row of every contender that the command line asks for.
func (c *comparison) run(b *testing.B) {
	pattern := flag.Lookup("test.bench").Value.String()
	c.contenders = slices.DeleteFunc(slices.Clone(c.contenders), func(x contender) bool {
		return !selects(pattern, b.Name()+"/impl="+x.impl)
	})
	for i, x := range c.contenders {
		repetition := -1
		b.Run("impl="+x.impl, func(b *testing.B) {
			// The timer would count the rounds of all contenders. Without a time the testing
			// package ends its attempts.
			b.StopTimer()
			b.ResetTimer()
			if b.N == 1 {
				repetition++
			}
			all := c.figures(b, repetition, b.N > 1)
			if all[i].tasks == 0 {
				missing(b, "python3")
			}
			all[i].report(b, c.unit)
			if c.finish != nil {
				c.finish(b, all[i], all)
			}
			//lint:ignore SA3001 it is the true number: what was asked for was not done.
			b.N = all[i].tasks
		})
	}
}

// figures returns the figures of all contenders, and measures them in the first row that asks.
func (c *comparison) figures(tb testing.TB, repetition int, full bool) []figures {
	for len(c.short) <= repetition {
		c.short = append(c.short, c.measure(tb, cmp.Or(c.shortly, 2), func(int) int { return c.first }))
	}
	if !full {
		return c.short[repetition]
	}
	for len(c.full) <= repetition {
		c.full = append(c.full, c.measure(tb, c.rounds, func(i int) int {
			ns := slices.Min(c.short[repetition][i].rounds) * float64(cmp.Or(c.tasks, 1))
			return min(max(int(float64(c.budget)/ns), 1), c.most)
		}))
	}
	return c.full[repetition]
}

// measure does rounds of all contenders by turns, with ops(i) operations of contender i in each.
func (c *comparison) measure(tb testing.TB, rounds int, ops func(i int) int) []figures {
	tb.Helper()
	all := make([]figures, len(c.contenders))
	for i, x := range c.contenders {
		all[i].impl = x.impl
	}
	for range rounds {
		for i, x := range c.contenders {
			if strings.HasPrefix(x.impl, "python") && lacksPython() {
				continue
			}
			all[i].add(tb, x, c, max(ops(i), 1))
		}
	}
	return all
}

// add measures one round of x.
func (f *figures) add(tb testing.TB, x contender, c *comparison, ops int) {
	tb.Helper()
	var own, workers uint64
	if x.workerMallocs != nil {
		workers = x.workerMallocs(tb)
		own = mallocs()
	}
	a := x.do(tb, ops)
	if x.workerMallocs != nil {
		own = mallocs() - own
		workers = x.workerMallocs(tb) - workers
		f.counted, f.own, f.workers = true, f.own+own, f.workers+workers
	}
	if len(a.ns) != ops || slices.Min(a.ns) <= 0 {
		tb.Fatalf("%s: times of %d operations: %v", x.impl, ops, a.ns)
	}
	if want := c.want(ops); a.total != want {
		tb.Fatalf("%s: total %d after %d operations, want %d", x.impl, a.total, ops, want)
	}
	tasks := ops * cmp.Or(c.tasks, 1)
	f.rounds = append(f.rounds, a.sum()/float64(tasks))
	f.each = append(f.each, a.ns...)
	f.tasks += tasks
}

// report gives b the figures of a row.
func (f figures) report(b *testing.B, unit latencyUnit) {
	b.ReportMetric(median(f.rounds), "ns/op")
	b.ReportMetric(slices.Min(f.rounds), "min-ns")
	switch unit {
	case nanoseconds:
		b.ReportMetric(median(f.each), "p50-ns")
		b.ReportMetric(quantile(f.each, 0.99), "p99-ns")
	case milliseconds:
		b.ReportMetric(median(f.each)/1e6, "p50-ms")
		b.ReportMetric(quantile(f.each, 0.99)/1e6, "p99-ms")
	}
	if unit != noLatency {
		reportQuantiles(b, f.each)
	}
	if f.counted {
		b.ReportMetric(float64(f.own)/float64(f.tasks), "allocs/task")
		b.ReportMetric(float64(f.workers)/float64(f.tasks), "worker-allocs/task")
	}
}

// test measures a few operations of every contender.
func (c *comparison) test(t *testing.T) {
	t.Helper()
	for _, x := range c.contenders {
		t.Run("impl="+x.impl, func(t *testing.T) {
			if strings.HasPrefix(x.impl, "python") && lacksPython() {
				missing(t, "python3")
			}
			var f figures
			f.add(t, x, c, min(c.first, 3))
			if len(f.rounds) != 1 || f.rounds[0] <= 0 || f.tasks != len(f.each)*cmp.Or(c.tasks, 1) {
				t.Errorf("impossible figures %+v", f)
			}
		})
	}
}
