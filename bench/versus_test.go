//go:build linux

package bench

import (
	"slices"
	"testing"
	"time"
)

// A versus compares two rows turn by turn. The machine changes from one second to the next: how far
// apart two virtual CPUs are, what else runs. Neighbours have seen the same machine, so that the
// ratio of each two of them means more than that of two rows.
type versus struct {
	name, peer string
	ours, its  side
	show       shown
}

// shown says which figures a versus reports besides the ratio of its two sides.
type shown uint

const (
	showCalls       shown = 1 << iota // how often each side called the kernel, for each operation
	showPercentiles                   // of single operations
	// The ratio counts only the turns in which the peer slept in most of its waits.
	onlyAsleep
)

const versusTurns = 11

// A side is one of two implementations that take turns. Its method turns prepares n turns and
// returns the function that does one of them.
type side interface {
	turns(b *testing.B, n int) func() turn
}

// turn is what one side has measured in one turn.
type turn struct {
	ns    float64   // of an operation: the median of the quiet rounds
	each  []float64 // nanoseconds of single operations
	calls kernelCalls
	ops   int64
}

// waited reports whether two processes, of which each waits once in an operation, slept in most
// waits.
func (t turn) waited() bool { return t.calls.slept > t.ops }

// run reports the median of the ratios of all turns, and the medians of both figures.
func (v versus) run(b *testing.B) {
	var ours, its []turn
	b.Run(v.name+"/versus="+v.peer, func(b *testing.B) {
		b.StopTimer()
		n := versusTurns
		if b.N == 1 { // the only attempt, or a first one, which does not count
			n = 1
		} else if len(ours) == 1 {
			ours, its = nil, nil
		}
		if len(ours) < n {
			x, y := v.ours.turns(b, n), v.its.turns(b, n)
			for len(ours) < n {
				ours, its = append(ours, x()), append(its, y())
			}
		}
		v.report(b, ours, its)
		//lint:ignore SA3001 it is the true number: what was asked for was not done.
		b.N = int(opsOf(ours))
	})
}

func (v versus) report(b *testing.B, ours, its []turn) {
	if v.show&onlyAsleep != 0 {
		slept := asleepTurns(its)
		b.ReportMetric(float64(len(slept)), "asleep-turns")
		if len(slept) > 0 {
			ours, its = pickTurns(ours, slept), pickTurns(its, slept)
		}
	}
	ratios := ratiosOf(ours, its, func(t turn) float64 { return t.ns })
	b.ReportMetric(median(nsOfTurns(ours)), "ns/op")
	b.ReportMetric(median(nsOfTurns(its)), "its-ns")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(slices.Min(ratios), "min-ratio")
	b.ReportMetric(slices.Max(ratios), "max-ratio")
	if v.show&showCalls != 0 {
		callsOf(ours).report(b, "", opsOf(ours))
		callsOf(its).report(b, "its-", opsOf(its))
	}
	if v.show&showPercentiles != 0 {
		reportPercentile(b, ours, its, 0.5, "p50")
		reportPercentile(b, ours, its, 0.99, "p99")
	}
}

// reportPercentile gives b the percentile of the operations of all turns, on both sides, and the
// median ratio of the turns' percentiles.
func reportPercentile(b *testing.B, ours, its []turn, q float64, name string) {
	b.ReportMetric(quantile(eachOf(ours), q), name+"-ns")
	b.ReportMetric(quantile(eachOf(its), q), "its-"+name+"-ns")
	b.ReportMetric(median(ratiosOf(ours, its, func(t turn) float64 { return quantile(t.each, q) })), name+"-ratio")
}

func ratiosOf(ours, its []turn, figure func(turn) float64) (ratios []float64) {
	for i := range ours {
		ratios = append(ratios, figure(ours[i])/figure(its[i]))
	}
	return ratios
}

func asleepTurns(ts []turn) (numbers []int) {
	for i, t := range ts {
		if t.waited() {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func pickTurns(ts []turn, numbers []int) (picked []turn) {
	for _, i := range numbers {
		picked = append(picked, ts[i])
	}
	return picked
}

func nsOfTurns(ts []turn) (ns []float64) {
	for _, t := range ts {
		ns = append(ns, t.ns)
	}
	return ns
}

func eachOf(ts []turn) (ns []float64) {
	for _, t := range ts {
		ns = append(ns, t.each...)
	}
	return ns
}

func callsOf(ts []turn) (c kernelCalls) {
	for _, t := range ts {
		c = c.plus(t.calls)
	}
	return c
}

func opsOf(ts []turn) (n int64) {
	for _, t := range ts {
		n += t.ops
	}
	return n
}

// versusBudget is about the time that a turn of one side takes.
const versusBudget = 60 * time.Millisecond

// turns finds out by a first measurement how many operations fit into a turn.
func (r budgeted) turns(b *testing.B, n int) func() turn {
	p := r.plan
	if n > 1 && r.most > p.ops {
		p = p.within(versusBudget, r.most, slices.Min(nsOf(r.race(b, p).rounds(p))))
	}
	return func() turn { return turnOf(r.race(b, p), p) }
}

func turnOf(o outcome, p plan) turn {
	rs := quietRounds(o.rounds(p))
	t := turn{ns: median(nsOf(rs)), calls: o.calls, ops: p.total()}
	for _, r := range rs {
		if o.trips != nil {
			for _, ns := range o.trips[r.number] {
				t.each = append(t.each, float64(ns))
			}
		}
	}
	return t
}
