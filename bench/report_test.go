//go:build linux

package bench

import (
	"slices"
	"testing"
)

// round is one round of all processes together.
type round struct {
	ns    float64 // per operation
	share float64 // of the slower processes when the first was done; 1 is even
	quiet bool    // no process was preempted
}

// rounds puts the laps of all processes together. o must hold a lap of every process and round of p.
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
	}
	return rs
}

func joinLaps(ls []lap, p plan) round {
	r := round{share: 1, quiet: true}
	start, end, seen := ls[0].start, ls[0].end, ls[0].seen
	for _, l := range ls {
		start, end, seen = min(start, l.start), max(end, l.end), min(seen, l.seen)
		r.quiet = r.quiet && l.preempted == 0
	}
	r.ns = float64(end-start) / float64(p.perRound())
	if p.procs() > 1 {
		// seen counts from the first round on. When the first process was done, so many operations of this
		// round were done; all but its own p.ops belong to the others.
		done := float64(seen - int64(ls[0].round)*p.perRound())
		others := (done - float64(p.ops)) / float64(p.procs()-1)
		r.share = others / (done / float64(p.procs()))
	}
	return r
}

// quietRounds returns the quiet ones of rs if they are enough for a median, else all.
func quietRounds(rs []round) []round {
	quiet := slices.DeleteFunc(slices.Clone(rs), func(r round) bool { return !r.quiet })
	if len(quiet) < 3 {
		return rs
	}
	return quiet
}

// report gives b the figures of o that every row has.
func (o outcome) report(b *testing.B, p plan) {
	all := o.rounds(p)
	var ns, shares []float64
	quiet := 0
	for _, r := range quietRounds(all) {
		ns = append(ns, r.ns)
		shares = append(shares, r.share)
	}
	for _, r := range all {
		if r.quiet {
			quiet++
		}
	}
	b.ReportMetric(median(ns), "ns/op")
	b.ReportMetric(slices.Min(ns), "min-ns")
	b.ReportMetric(100*float64(quiet)/float64(len(all)), "quiet-%")
	if p.procs() > 1 {
		b.ReportMetric(median(shares), "min-share")
	}
}

// reportAllocs gives b the allocations of the measured processes.
func (o outcome) reportAllocs(b *testing.B, p plan) {
	b.ReportAllocs()
	b.ReportMetric(float64(o.mallocs)/float64(p.total()), "allocs/op")
	b.ReportMetric(float64(o.mallocedBytes)/float64(p.total()), "B/op")
}

// median returns the middle of xs, which must not be empty.
func median(xs []float64) float64 { return quantile(xs, 0.5) }

// quantile returns the value of xs below which the part q of them lies.
func quantile(xs []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[int(q*float64(len(s)-1)+0.5)]
}
