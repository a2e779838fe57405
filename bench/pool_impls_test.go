//go:build linux

package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// poolWorkers is how many workers a pool has, of every implementation.
const poolWorkers = 2

// A pooled is a pool that does work. Its methods are rounds of a comparison.
type pooled interface {
	// apply squares the numbers from 0 on, one after the other, with a pause before each.
	apply(tb testing.TB, ops int, pause time.Duration) answer
	// mapAll does the Map of w, calls times.
	mapAll(tb testing.TB, calls int, w mapWork) answer
	// imapUnordered squares the numbers below tasks, and takes the results as they come, calls
	// times.
	imapUnordered(tb testing.TB, calls, tasks int) answer
	// mapBusy maps tasks that are busy for length, calls times.
	mapBusy(tb testing.TB, calls, tasks int, length time.Duration) answer
	// startAndApply starts a pool and has it square a number, ops times.
	startAndApply(tb testing.TB, ops int) answer
	// wide starts a pool, squares the numbers below tasks in it, and ends it when all workers have
	// worked.
	wide(tb testing.TB, workers, tasks int) answer
	// close ends what was started.
	close(tb testing.TB)
}

// A poolImpl is the pool of one implementation.
type poolImpl struct {
	impl string
	pooled
}

// newPools returns a pool of each implementation, which are closed with tb.
func newPools(tb testing.TB) []poolImpl {
	impls := []poolImpl{
		{"shmkit", &goPool{open: pool.New}},
		{"local", &goPool{open: pool.NewLocal, local: true}},
	}
	for _, method := range []string{"fork", "spawn", "forkserver", "executor"} {
		impls = append(impls, poolImpl{"python-" + method, &pythonPool{method: method}})
	}
	for _, x := range impls {
		tb.Cleanup(func() { x.close(tb) })
	}
	return impls
}

// pick returns the impls with these names.
func pick(impls []poolImpl, names ...string) []poolImpl {
	return slices.DeleteFunc(slices.Clone(impls), func(x poolImpl) bool { return !slices.Contains(names, x.impl) })
}

// contenders are all pools, of which each does its rounds.
func contenders(impls []poolImpl, do func(tb testing.TB, p pooled, ops int) answer) (cs []contender) {
	for _, x := range impls {
		cs = append(cs, contender{impl: x.impl, do: func(tb testing.TB, ops int) answer { return do(tb, x.pooled, ops) }})
	}
	return cs
}

// countingMallocs has cs count the allocations of the pool of the toolkit.
func countingMallocs(cs []contender, impls []poolImpl) []contender {
	cs[0].workerMallocs = impls[0].pooled.(*goPool).workerMallocs
	return cs
}

// sumTo is the sum of the numbers below n.
func sumTo(n int) int64 { return int64(n) * int64(n-1) / 2 }

// sumSquares is the sum of the squares of the numbers below n.
func sumSquares(n int) int64 { return int64(n-1) * int64(n) * int64(2*n-1) / 6 }
