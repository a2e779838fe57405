package pool_test

import (
	"context"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// burn uses processor time for 30 ms, and returns when as many as At says have done so: each of
// them in a worker of its own.
var burn = pool.Define("burn", func(ctx context.Context, c counted) (int64, error) {
	used := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for start := used(); used()-start < 30*time.Millisecond; { //clock: of time on processors
		continue
	}
	return meetAs(ctx, c)
})

func TestStats(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		ready(t, p, 2)
		if s := p.Stats(); s.Pending != 0 || s.Queued != 0 || s.Total.Samples != 0 || s.Run.Samples != 0 || len(s.Workers) != 2 {
			t.Errorf("at first: %+v", s)
		}
		one, gate := pool.TaskOptions{Chunk: 1}, counter(t)
		f := pool.MapAsync(t.Context(), p, blobs.With(one), slices.Repeat([]blob{{Ended: gate, After: 1}}, 6))
		proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending == 6 && s.Queued == 4 }, "two run and four wait")
		gate.Add(1)
		if _, err := f.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Map(t.Context(), p, deaf.With(one), slices.Repeat([]time.Duration{50 * time.Millisecond}, 2)); err != nil {
			t.Fatal(err)
		}
		s := p.Stats()
		if s.Pending != 0 || s.Queued != 0 || s.Killed != 0 || s.Recycled != 0 || s.Retried != 0 {
			t.Errorf("%+v", s)
		}
		//clock: at least so long it has slept
		if s.Run.Samples == 0 || s.Run.Max < 49*time.Millisecond || s.Total.Samples == 0 || s.Total.Max < s.Run.P50 || s.Total.P99 < s.Total.P50 {
			t.Errorf("latencies: %+v", s)
		}
		tasks := uint64(0)
		// Of time on processors, ticks of 10 ms are counted: each worker needs to have some.
		if _, err := pool.Map(t.Context(), p, burn.With(one), slices.Repeat([]counted{{Tally: newTally(t, 1), At: 2}}, 2)); err != nil {
			t.Fatal(err)
		}
		s = p.Stats()
		for i, w := range s.Workers {
			tasks += w.Tasks
			if w.Name != []string{"Worker-1", "Worker-2"}[i] || w.PID == 0 || w.Restarts != 0 || w.Memory < 1<<20 || w.CPU <= 0 {
				t.Errorf("%+v", w)
			}
			if local := w.PID == os.Getpid(); local != (t.Name() == "TestStats/goroutines") {
				t.Errorf("%s runs in process %d", w.Name, w.PID)
			}
		}
		if tasks != 10 {
			t.Errorf("%d tasks have run", tasks)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for _, w := range p.Stats().Workers {
			if w.PID != 0 || w.Memory != 0 {
				t.Errorf("of a closed pool: %+v", w)
			}
		}
	})
}
