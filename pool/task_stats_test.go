package pool_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// finishAs ends as its argument says, with a value in the end.
var finishAs = pool.Define("finish as", func(_ context.Context, how string) (string, error) {
	switch how {
	case "error":
		return "", errors.New("as it was told")
	case "panic":
		panic("as it was told")
	case "exit":
		os.Exit(3)
	}
	return how, nil
})

// finishAsNumber is finishAs for what travels without frames.
var finishAsNumber = pool.Define("finish as number", func(_ context.Context, how int64) (int64, error) {
	switch how % 4 {
	case 1:
		return 0, errors.New("as it was told")
	case 2:
		panic("as it was told")
	}
	return how, nil
})

// taskStats are those of one task, without its histograms.
func taskStats(p *pool.Pool, name string) (s pool.TaskStats) {
	for _, t := range p.Stats().Tasks {
		if t.Name == name {
			t.Run, t.Total = pool.Histogram{}, pool.Histogram{}
			return t
		}
	}
	return s
}

// wantStats waits until a pool has counted what it is said to have done with a task.
func wantStats(t *testing.T, p *pool.Pool, want pool.TaskStats) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool { return taskStats(p, want.Name) == want }, "the pool has not done that with a task")
	if t.Failed() {
		t.Errorf("%+v, want %+v", taskStats(p, want.Name), want)
	}
}

// Each argument is counted once, in the way in which it has ended, whether it travelled alone or in
// a chunk.
func TestTaskStats(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		if all := p.Stats().Tasks; len(all) != 0 {
			t.Errorf("at first: %+v", all)
		}
		for _, how := range []string{"value", "value", "value", "error", "error", "panic"} {
			if r, err := pool.Apply(t.Context(), p, finishAs, how); (err == nil) != (how == "value") {
				t.Errorf("%s: %q, %v", how, r, err)
			}
		}
		wantStats(t, p, pool.TaskStats{Name: "finish as", Submitted: 6, OK: 3, Errors: 2, Panics: 1})

		hows := []string{"value", "error", "value", "panic", "panic", "error", "error"}
		for range pool.IMap(t.Context(), p, finishAs.With(pool.TaskOptions{Chunk: 7}), slices.Values(hows)) {
			continue
		}
		wantStats(t, p, pool.TaskStats{Name: "finish as", Submitted: 13, OK: 5, Errors: 5, Panics: 3})

		numbers := make([]int64, 40)
		for i := range numbers {
			numbers[i] = int64(i)
		}
		for range pool.IMap(t.Context(), p, finishAsNumber.With(pool.TaskOptions{Chunk: 8}), slices.Values(numbers)) {
			continue
		}
		wantStats(t, p, pool.TaskStats{Name: "finish as number", Submitted: 40, OK: 20, Errors: 10, Panics: 10})

		tries := 0
		again := pool.TaskOptions{Retry: func(int, error) (bool, time.Duration) { tries++; return tries < 3, 0 }}
		if _, err := pool.Apply(t.Context(), p, finishAs.With(again), "error"); err == nil {
			t.Error("no error after three attempts")
		}
		wantStats(t, p, pool.TaskStats{Name: "finish as", Submitted: 14, OK: 5, Errors: 6, Panics: 3, Retried: 2})

		total := taskTotal(p, "finish as")
		if sum := total.Buckets[0]; total.Samples == 0 || total.Sum <= 0 || sum > total.Samples {
			t.Errorf("a histogram: %+v", total)
		}
	})
}

func taskTotal(p *pool.Pool, name string) pool.Histogram {
	for _, t := range p.Stats().Tasks {
		if t.Name == name {
			return t.Total
		}
	}
	return pool.Histogram{}
}

// What ends without a result is counted by why, and what runs again because of a death counts as
// submitted once.
func TestTaskStatsOfDeaths(t *testing.T) {
	for _, k := range []struct {
		name    string
		newPool func(testing.TB, pool.Options) *pool.Pool
		// attempts after the first that the pool knows of: not those in a pool elsewhere
		alone, together uint64
	}{{"processes", newPool, 1, 5}, {"elsewhere", newBridged, 0, 4}} {
		t.Run(k.name, func(t *testing.T) {
			p := k.newPool(t, pool.Options{Workers: 1, Attempts: 2})
			if _, err := pool.Apply(t.Context(), p, finishAs, "exit"); err == nil {
				t.Error("no error of a task that kills its workers")
			}
			wantStats(t, p, pool.TaskStats{Name: "finish as", Submitted: 1, Died: 1, Retried: k.alone})

			hows := []string{"value", "value", "error", "exit", "value", "value"}
			for range pool.IMap(t.Context(), p, finishAs.With(pool.TaskOptions{Chunk: len(hows)}), slices.Values(hows)) {
				continue
			}
			wantStats(t, p, pool.TaskStats{Name: "finish as", Submitted: 7, OK: 4, Errors: 1, Died: 2, Retried: k.together})

			//clock: the time-out is the subject
			late := pool.TaskOptions{HardDeadline: 20 * time.Millisecond}
			if _, err := pool.Apply(t.Context(), p, deaf.With(late), proctest.Hang); err == nil {
				t.Error("no error of a task past its deadline")
			}
			wantStats(t, p, pool.TaskStats{Name: "deaf", Submitted: 1, Late: 1})

			gate := counter(t)
			busy, err := pool.ApplyAsync(t.Context(), p, blobs, blob{Ended: gate, After: 1})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := pool.ApplyAsync(ctx, p, finishAs, "value"); err != nil {
				t.Fatal(err)
			}
			cancel()
			wantStats(t, p, pool.TaskStats{Name: "finish as", Submitted: 8, OK: 4, Errors: 1, Died: 2, Canceled: 1, Retried: k.together})
			gate.Add(1)
			if _, err := busy.Get(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
