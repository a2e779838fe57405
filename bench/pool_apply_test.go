//go:build linux

package bench

import (
	"testing"
	"time"
)

// coldPause is how long a cold pool has had nothing to do before each task: its workers sleep.
const coldPause = 10 * time.Millisecond

// BenchmarkApply has a worker square a number and waits for the result: task after task, or each
// after a pause of 10 milliseconds.
func BenchmarkApply(b *testing.B) {
	impls := newPools(b)
	b.Run("hot", func(b *testing.B) { hotApply(impls).run(b) })
	b.Run("cold", func(b *testing.B) { coldApply(impls).run(b) })
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
	t.Run("cold", coldApply(impls).test)
}
