//go:build linux

package bench

import (
	"fmt"
	"strings"
	"testing"
)

// row is one implementation of what a benchmark compares.
type row struct {
	impl     string
	perRound int64 // operations of all processes in one round
	race     func(tb testing.TB, p plan) outcome
}

const (
	nativeRound = 100_000 // 1 to 5 ms
	pythonRound = 5_000   // 1 to 5 ms
)

// bench runs the rows as sub-benchmarks, each with procs processes on a core each.
func bench(b *testing.B, procs int, rows []row) {
	for _, r := range rows {
		b.Run("impl="+r.impl, func(b *testing.B) {
			r.measure(b, newPlan(b.N, r.perRound, cores(b, procs)))
		})
	}
}

// benchTrips runs the rows as sub-benchmarks of two processes on a core each, which do every
// operation together.
func benchTrips(b *testing.B, rows []row) {
	for _, r := range rows {
		b.Run("impl="+r.impl, func(b *testing.B) {
			r.measure(b, newTripPlan(b.N, r.perRound, cores(b, 2)))
		})
	}
}

func (r row) measure(b *testing.B, p plan) {
	o := r.race(b, p)
	o.report(b, p)
	if strings.HasPrefix(r.impl, "shmkit") {
		o.reportAllocs(b, p)
	}
}

// missing skips the test or the row for want of what it names.
func missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	what := "missing: " + fmt.Sprintf(format, args...)
	if _, ok := tb.(*testing.B); ok {
		note("no row %s: %s", tb.Name(), what)
	}
	tb.Skip(what)
}

// note prints a line among the rows. A benchmark's own log shows only beside a row, and there is
// none.
func note(format string, args ...any) { fmt.Printf(format+"\n", args...) }
