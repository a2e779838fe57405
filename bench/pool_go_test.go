//go:build linux

package bench

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// goPool is a pool of the toolkit, with processes or with goroutines. It is started when it is
// first needed.
type goPool struct {
	open  func(context.Context, pool.Options) (*pool.Pool, error)
	local bool // the workers are goroutines of this process
	pool  *pool.Pool
	args  map[int][][]byte // of maps, by their length
}

func (g *goPool) get(tb testing.TB) *pool.Pool {
	tb.Helper()
	if g.pool == nil {
		p, err := g.open(context.Background(), pool.Options{Workers: poolWorkers})
		if err != nil {
			tb.Fatal(err)
		}
		g.pool = p
	}
	return g.pool
}

func (g *goPool) close(tb testing.TB) {
	tb.Helper()
	if g.pool == nil {
		return
	}
	if err := g.pool.Close(); err != nil {
		tb.Error(err)
	}
	g.pool = nil
}

func (g *goPool) apply(tb testing.TB, ops int, pause time.Duration) (a answer) {
	tb.Helper()
	p, ctx := g.get(tb), context.Background()
	if pause == 0 {
		for i := range ops/10 + 1 { // the round of another pool has cooled this one down
			if _, err := pool.Apply(ctx, p, square, int64(i)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	a.ns = make([]float64, ops)
	for i := range a.ns {
		if pause > 0 {
			time.Sleep(pause)
		}
		start := time.Now()
		r, err := pool.Apply(ctx, p, square, int64(i))
		a.ns[i] = float64(time.Since(start))
		if err != nil {
			tb.Fatal(err)
		}
		a.total += r
	}
	return a
}

func (g *goPool) mapAll(tb testing.TB, calls int, w mapWork) answer {
	tb.Helper()
	switch {
	case w.kind == wordKind:
		return mapCalls(tb, g.get(tb), inChunks(squareWord, w.chunk), numbersBelow[int](w.tasks), calls, w.rest)
	case w.kind == sliceKind:
		args, all := make([][]int64, w.tasks), make([]int64, 4*w.tasks)
		for i := range args {
			args[i] = all[4*i : 4*i+4]
			args[i][3] = int64(i)
		}
		return mapCalls(tb, g.get(tb), inChunks(squareLast, w.chunk), args, calls, w.rest)
	case w.bytes == 8:
		return mapCalls(tb, g.get(tb), inChunks(square, w.chunk), numbersBelow[int64](w.tasks), calls, w.rest)
	}
	return mapCalls(tb, g.get(tb), inChunks(ends, w.chunk), g.messages(w.tasks, w.bytes), calls, w.rest)
}

// messages returns so many messages, which are made once.
func (g *goPool) messages(n, size int) [][]byte {
	if g.args == nil {
		g.args = map[int][][]byte{}
	}
	for i := len(g.args[size]); i < n; i++ {
		b := make([]byte, size)
		writeBytes(b, uint64(i))
		g.args[size] = append(g.args[size], b)
	}
	return g.args[size][:n]
}

// inChunks is t in chunks of a size; 0 leaves the size to the pool.
func inChunks[A, R any](t *pool.Task[A, R], chunk int) *pool.Task[A, R] {
	if chunk == 0 {
		return t
	}
	return t.With(pool.TaskOptions{Chunk: chunk})
}

func mapCalls[A any, R int | int64](tb testing.TB, p *pool.Pool, t *pool.Task[A, R], args []A, calls int, rest time.Duration) (a answer) {
	tb.Helper()
	a.ns = make([]float64, calls)
	for i := range a.ns {
		time.Sleep(rest)
		start := time.Now()
		results, err := pool.Map(context.Background(), p, t, args)
		a.ns[i] = float64(time.Since(start))
		if err != nil {
			tb.Fatal(err)
		}
		for _, r := range results {
			a.total += int64(r)
		}
	}
	return a
}

func (g *goPool) imapUnordered(tb testing.TB, calls, tasks int) (a answer) {
	tb.Helper()
	p := g.get(tb)
	args := func(yield func(int64) bool) {
		for i := range tasks {
			if !yield(int64(i)) {
				return
			}
		}
	}
	one := inChunks(square, 1)
	a.ns = make([]float64, calls)
	for i := range a.ns {
		start := time.Now()
		for r, err := range pool.IMapUnordered(context.Background(), p, one, args) {
			if err != nil {
				tb.Fatal(err)
			}
			a.total += r
		}
		a.ns[i] = float64(time.Since(start))
	}
	return a
}

func (g *goPool) startAndApply(tb testing.TB, ops int) (a answer) {
	tb.Helper()
	g.close(tb)
	a.ns = make([]float64, ops)
	for i := range a.ns {
		start := time.Now()
		r, err := pool.Apply(context.Background(), g.get(tb), square, int64(i))
		a.ns[i] = float64(time.Since(start))
		if err != nil {
			tb.Fatal(err)
		}
		a.total += r
		g.close(tb)
	}
	return a
}

func (g *goPool) wide(tb testing.TB, workers, tasks int) (a answer) {
	tb.Helper()
	start := time.Now()
	p, err := g.open(context.Background(), pool.Options{Workers: workers})
	if err != nil {
		tb.Fatal(err)
	}
	a = mapCalls(tb, p, inChunks(square, 1), numbersBelow[int64](tasks), 1, 0)
	for seen := map[int64]bool{}; !g.local && len(seen) < workers; {
		pids, err := pool.Map(context.Background(), p, inChunks(whereabouts, 1), make([]int64, workers))
		if err != nil {
			tb.Fatal(err)
		}
		for _, pid := range pids {
			seen[pid] = true
		}
	}
	if err := p.Close(); err != nil {
		tb.Fatal(err)
	}
	a.ns = []float64{float64(time.Since(start))}
	return a
}

// workerMallocs counts the allocations of all workers so far.
func (g *goPool) workerMallocs(tb testing.TB) (total uint64) {
	tb.Helper()
	counts := map[int64]uint64{}
	for tries := 0; len(counts) < poolWorkers; tries++ {
		answers, err := pool.Map(context.Background(), g.get(tb), inChunks(census, 1), make([]int64, 2*poolWorkers))
		if err != nil {
			tb.Fatal(err)
		}
		for _, c := range answers {
			counts[c.PID] = max(counts[c.PID], c.Mallocs)
		}
		if tries > 1000 {
			tb.Fatalf("%d workers take tasks, want %d", len(counts), poolWorkers)
		}
	}
	for _, n := range counts {
		total += n
	}
	return total
}

// pids returns the workers' processes.
func (g *goPool) pids(tb testing.TB) []int {
	tb.Helper()
	var pids []int
	for _, w := range g.get(tb).Stats().Workers {
		pids = append(pids, w.PID)
	}
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == 0 })
}
