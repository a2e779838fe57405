package pool_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A48: no worker runs more tasks than it may, and none is lost when workers are replaced.
func TestMaxTasksPerWorker(t *testing.T) {
	for _, limit := range []int{1, 3} {
		var w witness
		p := newPool(t, pool.Options{Workers: 2, MaxTasksPerWorker: limit, OnWorkerExit: w.note})
		runs := map[int]int{}
		for pid, err := range pool.IMapUnordered(t.Context(), p, pidOf, numbers(20)) {
			if err != nil {
				t.Fatal(err)
			}
			runs[pid]++
		}
		for pid, n := range runs {
			if n > limit {
				t.Errorf("worker %d has run %d tasks, not %d", pid, n, limit)
			}
		}
		proctest.Eventually(t, proctest.Hang, func() bool { return w.count("recycled") >= 20/limit-2 }, "workers are replaced")
		if s := p.Stats(); s.Killed != 0 || s.Retried != 0 || s.Recycled < 20/limit-2 {
			t.Errorf("%+v", s)
		}
	}
}

// A chunk that has begun is finished: so many tasks more than it may a worker runs at most.
func TestMaxTasksAndChunks(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2, MaxTasksPerWorker: 10})
	got, err := pool.Map(t.Context(), p, pidOf.With(pool.TaskOptions{Chunk: 7}), slices.Collect(numbers(70)))
	if err != nil {
		t.Fatal(err)
	}
	runs := map[int]int{}
	for _, pid := range got {
		runs[pid]++
	}
	for pid, n := range runs {
		if n != 7 && n != 14 {
			t.Errorf("worker %d has run %d tasks", pid, n)
		}
	}
}

// Many tasks wait while each worker runs one: messages do not pile up until no worker can go on.
func TestRecyclingUnderFullBacklog(t *testing.T) {
	t.Parallel()
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		n := 1000
		if t.Name() == "TestRecyclingUnderFullBacklog/processes" {
			n = 60
		}
		p := newPool(pool.Options{Workers: 1, MaxTasksPerWorker: 1, Backlog: 30})
		ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
		defer cancel()
		var all []*pool.Future[int64]
		for i := range int64(n) {
			f, err := pool.ApplyAsync(ctx, p, square, i)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		for i, f := range all {
			wantSquare(t, int64(i))(f.Get(ctx))
		}
		wantNothingLeft(t, p)
	})
}

// Workers are killed while the backlog is full.
func TestDeathsUnderFullBacklog(t *testing.T) {
	t.Parallel()
	p := newPool(t, pool.Options{Workers: 1, Backlog: 16, Attempts: 1})
	a := newTally(t, 40)
	args := make([]counted, 40)
	for i := range args {
		args[i] = counted{Tally: a, At: i, How: "kill"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	failed := 0
	for _, err := range pool.IMap(ctx, p, tell, slices.Values(args)) {
		if err == nil {
			t.Error("no error")
		}
		failed++
	}
	if failed != 40 || p.Stats().Killed != 40 {
		t.Errorf("%d failures, %+v", failed, p.Stats())
	}
	for i := range args {
		if times(a, i) != 1 {
			t.Errorf("%d has run %d times", i, times(a, i))
		}
	}
	wantNothingLeft(t, p)
}

var kept [][]byte

var keepMemory = pool.Define("keep memory", func(_ context.Context, n int) (int, error) {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	kept = append(kept, b)
	return len(kept), nil
})

// A worker that has become large is replaced, and one that has not stays.
func TestRecycleMemory(t *testing.T) {
	var w witness
	p := newPool(t, pool.Options{Workers: 1, RecycleMemory: 200 << 20, OnWorkerExit: w.note})
	if _, err := pool.Apply(t.Context(), p, keepMemory, 1<<20); err != nil {
		t.Fatal(err)
	}
	time.Sleep(120 * time.Millisecond) // its memory is looked at now and then only
	if n, err := pool.Apply(t.Context(), p, keepMemory, 1<<20); err != nil || n != 2 {
		t.Errorf("%d, %v: the worker did not stay", n, err)
	}
	time.Sleep(120 * time.Millisecond) // its memory is looked at now and then only
	if _, err := pool.Apply(t.Context(), p, keepMemory, 256<<20); err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return w.count("recycled") == 1 }, "the worker is replaced")
	if n, err := pool.Apply(t.Context(), p, keepMemory, 1<<20); err != nil || n != 1 {
		t.Errorf("%d, %v: not a fresh worker", n, err)
	}
	if s := p.Stats(); s.Recycled != 1 || s.Killed != 0 || s.Workers[0].Restarts != 1 {
		t.Errorf("%+v", s)
	}
}
