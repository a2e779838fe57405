//go:build linux

package bench

import (
	"cmp"
	"slices"
	"testing"
)

// round is one round of all processes together.
type round struct {
	number int
	ns     float64 // per operation
	// How far the slower processes had come when the first was done, compared with an even share.
	share float64
	delay float64 // part of the round in which a process could have run, but had no CPU
}

// unknown is the share of a round in which no process counts operations.
const unknown = -1

// rounds puts the laps of all processes together. o must hold a lap of every process and round of
// p.
func (o outcome) rounds(p plan) []round {
	rs := make([]round, p.rounds)
	for i := range rs {
		var ls []lap
		for _, l := range o.laps {
			if l.round == i {
				ls = append(ls, l)
			}
		}
		rs[i] = joinLaps(ls, p)
		rs[i].number = i
	}
	return rs
}

func joinLaps(ls []lap, p plan) round {
	r := round{share: 1}
	start, end, seen := ls[0].start, ls[0].end, ls[0].seen
	for _, l := range ls {
		start, end, seen = min(start, l.start), max(end, l.end), min(seen, l.seen)
	}
	for _, l := range ls {
		r.delay = max(r.delay, float64(l.delay)/float64(end-start))
	}
	r.ns = float64(end-start) / float64(p.perRound())
	switch {
	case p.procs() == 1:
	case seen == uncounted:
		r.share = unknown
	default:
		// seen counts from the first round on. The difference is the number of operations of this
		// round that were done when the first process was; all but its own p.ops are of the others.
		done := float64(seen - int64(ls[0].round)*p.perRound())
		others := (done - float64(p.ops)) / float64(p.procs()-1)
		r.share = others / (done / float64(p.procs()))
	}
	return r
}

// quietDelay is the delay up to which a round is quiet. Beside a process that wants the CPU too,
// the delay is a slice of the scheduler, as long as the whole round or longer; a wake-up on an idle
// CPU counts for some microseconds.
const quietDelay = 0.1

func (r round) quiet() bool { return r.delay <= quietDelay }

// minQuiet is the lowest number of rounds that a figure is made of.
const minQuiet = 5

// quietRounds returns the quiet ones of rs, or the minQuiet quietest where that is more.
func quietRounds(rs []round) []round {
	rs = slices.SortedStableFunc(slices.Values(rs), func(a, b round) int { return cmp.Compare(a.delay, b.delay) })
	return rs[:max(countQuiet(rs), min(minQuiet, len(rs)))]
}

func countQuiet(rs []round) (n int) {
	for _, r := range rs {
		if r.quiet() {
			n++
		}
	}
	return n
}

// report gives b the figures of o that every row has.
func (o outcome) report(b *testing.B, p plan) {
	all := o.rounds(p)
	var ns, shares []float64
	for _, r := range quietRounds(all) {
		ns = append(ns, r.ns)
		shares = append(shares, r.share)
	}
	b.ReportMetric(median(ns), "ns/op")
	b.ReportMetric(slices.Min(ns), "min-ns")
	b.ReportMetric(100*float64(countQuiet(all))/float64(len(all)), "quiet-%")
	if share := median(shares); p.procs() > 1 && share != unknown {
		b.ReportMetric(share, "min-share")
	}
	if p.together && !p.untimed {
		o.reportTrips(b, p)
	}
}

// reportTrips gives b the percentiles of single operations in the quiet rounds.
func (o outcome) reportTrips(b *testing.B, p plan) {
	var ns []float64
	for _, r := range quietRounds(o.rounds(p)) {
		for _, trip := range o.trips[r.number] {
			ns = append(ns, float64(trip))
		}
	}
	b.ReportMetric(median(ns), "p50-ns")
	b.ReportMetric(quantile(ns, 0.99), "p99-ns")
	b.ReportMetric(quantile(ns, 0.999), "p99.9-ns")
	reportQuantiles(b, ns)
}

// reportAllocs gives b the allocations of the measured processes.
func (o outcome) reportAllocs(b *testing.B, p plan) {
	b.ReportAllocs()
	b.ReportMetric(float64(o.mallocs)/float64(p.total()), "allocs/op")
	b.ReportMetric(float64(o.mallocedBytes)/float64(p.total()), "B/op")
}

// median returns the middle of xs, which must not be empty.
func median(xs []float64) float64 { return quantile(xs, 0.5) }

// quantile returns the value below which a part q of xs lies.
func quantile(xs []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[int(q*float64(len(s)-1)+0.5)]
}
