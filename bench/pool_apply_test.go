//go:build linux

package bench

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// coldPause is the pause of a cold pool before each task, after which its workers sleep.
const coldPause = 10 * time.Millisecond

// BenchmarkApply has a worker square a number and waits for the result: task after task, or each
// after a pause of 10 milliseconds. The rows with a payload have another argument: an int, or 1,000
// numbers that the worker adds up.
func BenchmarkApply(b *testing.B) {
	impls := newPools(b)
	b.Run("hot", func(b *testing.B) { hotApply(impls).run(b) })
	for _, x := range applyPayloads {
		b.Run("hot/payload="+x.name, func(b *testing.B) { x.comparison(pick(impls, "shmkit", "local")).run(b) })
	}
	b.Run("cold", func(b *testing.B) { coldApply(impls).run(b) })
}

// applyPayloads are further arguments of Apply, for the pools of the toolkit alone.
var applyPayloads = []struct {
	name       string
	comparison func(impls []poolImpl) *comparison
}{
	{"int", func(impls []poolImpl) *comparison { return applySame(impls, squareWord, 7, 49) }},
	{"1000xint", func(impls []poolImpl) *comparison {
		return applySame(impls, sumWords, numbersBelow[int](1000), int(sumTo(1000)))
	}},
	{"1000xint64", func(impls []poolImpl) *comparison {
		return applySame(impls, sumNumbers, numbersBelow[int64](1000), sumTo(1000))
	}},
}

// applySame applies a task to one argument, task after task.
func applySame[A any, R int | int64](impls []poolImpl, t *pool.Task[A, R], arg A, result R) *comparison {
	c := hotApply(impls)
	c.contenders = countingMallocs(contenders(impls, func(tb testing.TB, p pooled, ops int) answer {
		return applyCalls(tb, p.(*goPool).get(tb), t, arg, ops)
	}), impls)
	c.want = func(ops int) int64 { return int64(ops) * int64(result) }
	return c
}

func applyCalls[A any, R int | int64](tb testing.TB, p *pool.Pool, t *pool.Task[A, R], arg A, ops int) (a answer) {
	tb.Helper()
	// calls that do not count: the round of another pool has cooled this one down
	before := ops/10 + 1
	a.ns = make([]float64, ops)
	for i := -before; i < ops; i++ {
		start := time.Now()
		r, err := pool.Apply(context.Background(), p, t, arg)
		took := float64(time.Since(start))
		if err != nil {
			tb.Fatal(err)
		}
		if i >= 0 {
			a.ns[i] = took
			a.total += int64(r)
		}
	}
	return a
}

// numbersBelow returns the numbers from 0 to n-1.
func numbersBelow[T int | int64](n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = T(i)
	}
	return all
}

func hotApply(impls []poolImpl) *comparison {
	return &comparison{
		contenders: countingMallocs(contenders(impls, func(tb testing.TB, p pooled, ops int) answer {
			return p.apply(tb, ops, 0)
		}), impls),
		want:  sumSquares,
		first: 50, rounds: 30, budget: 10 * time.Millisecond, most: 5000,
		unit: nanoseconds,
	}
}

func coldApply(impls []poolImpl) *comparison {
	return &comparison{
		contenders: contenders(impls, func(tb testing.TB, p pooled, ops int) answer {
			return p.apply(tb, ops, coldPause)
		}),
		want:  sumSquares,
		first: 3, rounds: 25, budget: time.Second, most: 4,
		unit: nanoseconds,
	}
}

// TestApplyRows does a few operations of each row.
func TestApplyRows(t *testing.T) {
	impls := newPools(t)
	t.Run("hot", hotApply(impls).test)
	for _, x := range applyPayloads {
		t.Run("payload="+x.name, x.comparison(pick(impls, "shmkit", "local")).test)
	}
	t.Run("cold", coldApply(impls).test)
}
