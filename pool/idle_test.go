package pool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// awake counts the workers that are there.
func awake(p *pool.Pool) (n int) {
	for _, w := range p.Stats().Workers {
		if w.PID != 0 {
			n++
		}
	}
	return n
}

// A50: idle workers end, and come back on demand.
func TestIdleTimeout(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		var w witness
		//clock: the time-out is the subject
		p := newPool(pool.Options{Workers: 2, IdleTimeout: 50 * time.Millisecond, OnWorkerExit: w.note})
		for round := 1; round <= 3; round++ {
			wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
			// In the first round both end, in each other one at least; one that is being started
			// has no process id yet.
			proctest.Eventually(t, proctest.Hang, func() bool { return w.count("idle") > round && awake(p) == 0 }, "all workers have ended")
		}
		if _, err := pool.Map(t.Context(), p, nap, []time.Duration{100 * time.Millisecond, 100 * time.Millisecond}); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Killed != 0 || s.Recycled != 0 || s.Retried != 0 || s.Workers[0].Restarts != 0 || w.count("idle") < 4 {
			t.Errorf("%+v, %d idle", s, w.count("idle"))
		}
		wantNothingLeft(t, p)
	})
}

// A task that runs for longer than the time-out is not idleness.
func TestIdleTimeoutWhileRunning(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		//clock: the time-out is the subject
		p := newPool(pool.Options{Workers: 1, IdleTimeout: 20 * time.Millisecond})
		if _, err := pool.Apply(t.Context(), p, nap, 200*time.Millisecond); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Retried != 0 || s.Killed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Bursts that come just when workers are about to end: no task is lost.
func TestIdleTimeoutRace(t *testing.T) {
	t.Parallel()
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		bursts, timeout := 1000, time.Millisecond //clock: the time-out is the subject
		if t.Name() == "TestIdleTimeoutRace/processes" {
			bursts, timeout = 60, 5*time.Millisecond //clock: the time-out is the subject
		}
		p := newPool(pool.Options{Workers: 2, IdleTimeout: timeout})
		for n := range bursts {
			ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
			var all sync.WaitGroup
			for i := range int64(3) {
				all.Go(func() {
					if got, err := pool.Apply(ctx, p, square, i); err != nil || got != i*i {
						t.Errorf("burst %d: %d, %v", n, got, err)
					}
				})
			}
			all.Wait()
			cancel()
			if t.Failed() {
				return
			}
			proctest.Stagger(2 * timeout)
		}
		wantNothingLeft(t, p)
	})
}

// A task without a caller, and one that waits for another attempt, are no work to start workers
// for.
func TestIdleTimeoutStaysIdle(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, newPool makePool) {
		for _, what := range []string{"abandoned", "delayed"} {
			var w witness
			//clock: the time-out is the subject
			p := newPool(pool.Options{Workers: 1, IdleTimeout: 30 * time.Millisecond, OnWorkerExit: w.note})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if what == "abandoned" {
				f, err := pool.ApplyAsync(ctx, p, deaf, 100*time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				cancel()
				if _, err := f.Get(t.Context()); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			} else {
				task := odd.With(pool.TaskOptions{Retry: func(int, error) (bool, time.Duration) { return true, time.Hour }})
				if _, err := pool.Apply(ctx, p, square, 2); err != nil {
					t.Fatal(err)
				}
				if _, err := pool.ApplyAsync(t.Context(), p, task, 2); err != nil {
					t.Fatal(err)
				}
			}
			proctest.Eventually(t, proctest.Hang, func() bool { return w.count("idle") > 0 && awake(p) == 0 }, "the worker ends")
			// on a slow machine it may have ended between the calls, too
			ended := w.count("idle")
			time.Sleep(300 * time.Millisecond) // that it stays so is the subject
			if n := w.count("idle") - ended; n > 1 {
				t.Errorf("%s: workers have ended %d times more for want of work", what, n)
			}
			if err := p.Terminate(0); err != nil {
				t.Error(err)
			}
		}
	})
}
