//go:build linux

package bench

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A budgeted row is measured for a fixed time. There are too many of these rows to let the testing
// package find out how many operations of each fit into a second.
type budgeted struct {
	impl string
	plan plan // of a first, short measurement
	// The most timed operations in a round. Without a limit a first measurement that is much faster
	// than the others would make their rounds too long.
	most int64
	race func(tb testing.TB, p plan) outcome
	// finish adds the figures of the row's own. May be nil.
	finish func(b *testing.B, o outcome, p plan)
}

const (
	rowBudget    = 200 * time.Millisecond
	budgetRounds = 40
)

// run measures the row once with one operation asked for, and once more with any higher number: the
// further attempts of the testing package at its duration get the figures of that one.
func (r budgeted) run(b *testing.B) {
	p, o := r.plan, outcome{}
	b.Run("impl="+r.impl, func(b *testing.B) {
		// The timer would count the start of processes. Without a time the testing package makes
		// one attempt with many operations, and ends.
		b.StopTimer()
		switch {
		case b.N == 1:
			o = r.race(b, p)
		case p.rounds == r.plan.rounds:
			p = r.plan.within(rowBudget, r.most, slices.Min(nsOf(o.rounds(p))))
			o = r.race(b, p)
		}
		o.report(b, p)
		if strings.HasPrefix(r.impl, "shmkit") {
			o.reportAllocs(b, p)
		}
		if r.finish != nil {
			r.finish(b, o, p)
		}
		//lint:ignore SA3001 it is the true number: what was asked for was not done.
		b.N = int(p.total())
	})
}

// within returns a plan like p that takes about the budget when an operation takes ns nanoseconds.
// A round has at most most operations that are timed one by one.
func (p plan) within(budget time.Duration, most int64, ns float64) plan {
	// The number of operations in a round is a multiple of unit where single ones are not timed.
	unit := p.ops
	if !p.untimed {
		unit = 1
	}
	ops := max(int64(float64(budget)/ns/budgetRounds), unit)
	if !p.untimed {
		ops = min(ops, most)
	}
	p.rounds, p.ops = budgetRounds, ops/unit*unit
	return p
}

func nsOf(rs []round) (ns []float64) {
	for _, r := range rs {
		ns = append(ns, r.ns)
	}
	return ns
}
