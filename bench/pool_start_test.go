//go:build linux

package bench

import (
	"testing"
	"time"
)

// BenchmarkPoolStart takes the time from before the start of a pool to its first result. The end of
// the pool does not count. The row os-exec is the first result of one process of the same program.
func BenchmarkPoolStart(b *testing.B) {
	impls := newPools(b)
	b.Run("workers=2", func(b *testing.B) { startComparison(impls).run(b) })
}

func startComparison(impls []poolImpl) *comparison {
	cs := contenders(impls, func(tb testing.TB, p pooled, ops int) answer { return p.startAndApply(tb, ops) })
	return &comparison{
		contenders: append(cs, contender{impl: byHand, do: firstByHand}),
		want:       sumSquares,
		first:      1, rounds: 20, budget: time.Millisecond, most: 1,
		unit: milliseconds, finish: reportByHand,
	}
}

// A wide pool has wideWorkers workers and squares wideTasks numbers.
const (
	wideWorkers = 200
	wideTasks   = 1000
)

// BenchmarkPoolWide starts a pool of 200 workers, squares 1,000 numbers, waits until every worker
// has done something, and ends it, which is one operation.
func BenchmarkPoolWide(b *testing.B) {
	impls := newPools(b)
	wideComparison(impls, wideWorkers).run(b)
	note("no rows %s of the other ways of Python: they take 5 to 20 seconds", b.Name())
}

func wideComparison(impls []poolImpl, workers int) *comparison {
	impls = pick(impls, "shmkit", "local", "python-fork")
	return &comparison{
		contenders: contenders(impls, func(tb testing.TB, p pooled, ops int) (sum answer) {
			for range ops {
				a := p.wide(tb, workers, wideTasks)
				sum.total += a.total
				sum.ns = append(sum.ns, a.ns...)
			}
			return sum
		}),
		want:  func(ops int) int64 { return int64(ops) * sumSquares(wideTasks) },
		first: 1, shortly: 1, rounds: 3, budget: time.Millisecond, most: 1,
		unit: milliseconds,
	}
}

// TestPoolStartRows does a few operations of each row.
func TestPoolStartRows(t *testing.T) {
	impls := newPools(t)
	t.Run("start", startComparison(impls).test)
	t.Run("wide", wideComparison(impls, 20).test)
}
