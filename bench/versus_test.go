//go:build linux

package bench

import (
	"slices"
	"testing"
)

// A versus compares two rows turn by turn. The machine changes from one second to the next: how far apart two virtual CPUs are, what
// else runs. Neighbours have seen the same machine, so that the ratio of each two of them means more than that of two rows.
type versus struct {
	name, peer string
	ours, its  budgeted
}

const versusTurns = 11

// run reports the median of the ratios of all turns, and the medians of both figures.
func (v versus) run(b *testing.B) {
	var ours, its, ratios []float64
	total := int64(0)
	b.Run(v.name+"/versus="+v.peer, func(b *testing.B) {
		b.StopTimer()
		n := versusTurns
		if b.N == 1 { // the only attempt, or a first one, which does not count
			n = 1
		} else if len(ratios) == 1 {
			ours, its, ratios, total = nil, nil, nil, 0
		}
		p, q := v.ours.turn(b, n), v.its.turn(b, n)
		for len(ratios) < n {
			x, y := v.ours.quick(b, p), v.its.quick(b, q)
			ours, its, ratios = append(ours, x), append(its, y), append(ratios, x/y)
			total += p.total()
		}
		b.ReportMetric(median(ours), "ns/op")
		b.ReportMetric(median(its), "its-ns")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(slices.Min(ratios), "min-ratio")
		b.ReportMetric(slices.Max(ratios), "max-ratio")
		//lint:ignore SA3001 it is the true number: what was asked for was not done.
		b.N = int(total)
	})
}

// turn returns the plan of one of n turns.
func (r *budgeted) turn(b *testing.B, n int) plan {
	if n > 1 && r.plan.rounds != budgetRounds {
		r.plan = r.plan.within(rowBudget/2, r.most, slices.Min(nsOf(r.race(b, r.plan).rounds(r.plan))))
	}
	return r.plan
}

// quick returns the nanoseconds of an operation, the median of the quiet rounds.
func (r *budgeted) quick(b *testing.B, p plan) float64 {
	return median(nsOf(quietRounds(r.race(b, p).rounds(p))))
}

// BenchmarkVersus compares what is asked for as a ratio.
func BenchmarkVersus(b *testing.B) {
	ps, two, free := newPeers(b), cores(b, 2), []int{anyCPU, anyCPU}
	trip := func(impl, kind string, size payload, wait string, cpus []int) budgeted {
		return rowOf(b, impl, messageRows(ps, kind, size, wait, cpus))
	}
	flow := func(impl, kind string, batch int) budgeted {
		return rowOf(b, impl, streamRows(b, ps, kind, oneToOne, batch))
	}
	short, long := payloads[0], payloads[3]
	for _, v := range []versus{
		{"spsc/payload=64B/wait=spin", "c", trip("shmkit", "spsc", short, "spin", two), trip("c", "spsc", short, "spin", two)},
		{"pipe/payload=64B/wait=spin", "c", trip("shmkit", "pipe", short, "spin", two), trip("c", "pipe", short, "spin", two)},
		{"spsc/payload=64B/wait=asleep", "c", trip("shmkit", "spsc", short, whileAsleep, two), trip("c", "spsc", short, whileAsleep, two)},
		{"spsc/payload=64B/wait=park/placement=free", "unix-socket", trip("shmkit", "spsc", short, "park", free), trip("unix-socket", "pipe", short, "park", free)},
		{"spsc/payload=1MiB/wait=spin", "itself-64B", trip("shmkit", "spsc-inplace", long, "spin", two), trip("shmkit", "spsc-inplace", short, "spin", two)},
		{"bytes/payload=1MiB/wait=spin", "itself-64B", trip("shmkit", "bytes-inplace", long, "spin", two), trip("shmkit", "bytes-inplace", short, "spin", two)},
		{"spsc/batch=1", "boost-lockfree", flow("shmkit", "spsc", 1), flow("boost-lockfree", "spsc", 1)},
		{"spsc/batch=64", "boost-lockfree", flow("shmkit", "spsc", 64), flow("boost-lockfree", "spsc", 64)},
		{"spsc/batch=64", "c", flow("shmkit", "spsc", 64), flow("c", "spsc", 64)},
		{"queue/batch=1", "boost-lockfree", flow("shmkit", "queue", 1), flow("boost-lockfree", "queue", 1)},
		{"pipe/batch=1024", "unix-socket", flow("shmkit", "pipe", 1024), flow("unix-socket", "pipe", 1024)},
	} {
		v.run(b)
	}
}

func rowOf(tb testing.TB, impl string, rows []budgeted) budgeted {
	i := slices.IndexFunc(rows, func(r budgeted) bool { return r.impl == impl })
	if i < 0 {
		tb.Fatalf("no row of %s", impl)
	}
	return rows[i]
}
