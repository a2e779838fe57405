package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// Restart replaces all workers, one after another, while tasks run; none is lost, and none runs
// again.
func TestRestart(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		var mu sync.Mutex
		there, least := 0, 3
		p := newPool(pool.Options{
			Workers: 3, Attempts: 1,
			OnWorkerStart: func(pool.WorkerStart) {
				mu.Lock()
				defer mu.Unlock()
				there++
			},
			OnWorkerExit: func(e pool.WorkerExit) {
				mu.Lock()
				defer mu.Unlock()
				there--
				if e.Reason == "recycled" {
					least = min(least, there)
				}
			},
		})
		proctest.Eventually(t, time.Minute, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return there == 3
		}, "all workers are there")
		before := pidsOf(p)
		stop := make(chan struct{})
		var calls sync.WaitGroup
		calls.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				args := []int64{1, 2, 3, 4, 5, 6, 7, 8}
				got, err := pool.Map(t.Context(), p, square.With(pool.TaskOptions{Chunk: 1}), args)
				if err != nil || !slices.Equal(got, []int64{1, 4, 9, 16, 25, 36, 49, 64}) {
					t.Errorf("%v, %v", got, err)
					return
				}
			}
		})
		for range 2 {
			if err := p.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		calls.Wait()
		s := p.Stats()
		if s.Recycled != 6 || s.Killed != 0 || s.Retried != 0 || least < 2 {
			t.Errorf("%d replaced, %d killed, %d retried, at least %d workers were there", s.Recycled, s.Killed, s.Retried, least)
		}
		if after := pidsOf(p); before[0] != after[0] {
			for _, pid := range after {
				if slices.Contains(before, pid) {
					t.Errorf("%v became %v", before, after)
				}
			}
		}
		wantNothingLeft(t, p)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Restart(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func pidsOf(p *pool.Pool) (pids []int) {
	for _, w := range p.Stats().Workers {
		pids = append(pids, w.PID)
	}
	return pids
}

// The end of the context ends the wait for a task that does not end; the pool goes on.
func TestRestartEndsWithItsContext(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	ctx, cancel := context.WithCancelCause(t.Context())
	tasks, end := context.WithCancel(t.Context())
	defer end()
	if _, err := pool.ApplyAsync(tasks, p, forever, 0); err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, time.Minute, func() bool { s := p.Stats(); return s.Pending == 1 && s.Queued == 0 }, "it runs")
	ended := make(chan error, 1)
	go func() { ended <- p.Restart(ctx) }()
	proctest.Blocked(t, ended)
	cancel(errInput)
	if err := <-ended; err != errInput {
		t.Errorf("%v", err)
	}
	end()
	wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
}

// Finish drops what waits, and lets what runs finish.
func TestFinish(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		gate := counter(t)
		runs, err := pool.ApplyAsync(t.Context(), p, blobs, blob{ID: 1, Result: 100, Ended: gate, After: 1})
		if err != nil {
			t.Fatal(err)
		}
		proctest.Eventually(t, time.Minute, func() bool { s := p.Stats(); return s.Pending == 1 && s.Queued == 0 }, "it runs")
		waits, err := pool.ApplyAsync(t.Context(), p, square, 2)
		if err != nil {
			t.Fatal(err)
		}
		all := pool.MapAsync(t.Context(), p, square, make([]int64, 1000))
		loop := make(chan error, 1)
		go func() {
			for _, err := range pool.IMap(t.Context(), p, square, numbers(1000)) {
				if err != nil {
					loop <- err
					return
				}
			}
			loop <- nil
		}()
		proctest.Eventually(t, time.Minute, func() bool { return p.Stats().Queued > 10 }, "the others wait")
		finished := make(chan error, 1)
		go func() { finished <- p.Finish() }()
		if _, err := waits.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("what waits: %v", err)
		}
		if _, err := all.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("Map: %v", err)
		}
		if err := <-loop; !errors.Is(err, pool.ErrClosed) {
			t.Errorf("IMap: %v", err)
		}
		gate.Add(1)
		if err := <-finished; err != nil {
			t.Error(err)
		}
		got, err := runs.Get(t.Context())
		wantBlob(t, 1, 100, got, err)
	})
}
