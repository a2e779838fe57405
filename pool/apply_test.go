package pool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// A48: apply, one after the other and from many goroutines at once.
func TestApply(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		for i := range int64(1000) {
			wantSquare(t, i)(pool.Apply(t.Context(), p, square, i))
		}
		var all sync.WaitGroup
		for g := range int64(20) {
			all.Go(func() {
				for i := range int64(100) {
					wantSquare(t, g*100+i)(pool.Apply(t.Context(), p, square, g*100+i))
				}
			})
		}
		all.Wait()
		wantNothingLeft(t, p)
	})
}

// Errors come with the name of the task, its text, the registered errors in it, and the stack of
// the worker.
func TestApplyErrors(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		_, err := pool.Apply(t.Context(), p, odd, 2)
		var te *pool.TaskError
		if !errors.As(err, &te) || te.Task != "odd" || te.Text != "even" || !strings.Contains(te.Stack, "goroutine ") {
			t.Errorf("%#v", err)
		}
		_, err = pool.Apply(t.Context(), p, fail, "wrapped")
		if !errors.Is(err, errKnown) || errors.Is(err, errUnknown) || err.Error() != "outer: known" {
			t.Errorf("%#v", err)
		}
		_, err = pool.Apply(t.Context(), p, fail, "unregistered")
		if errors.Is(err, errKnown) || errors.Is(err, errUnknown) || err.Error() != "outer: unknown" {
			t.Errorf("%#v", err)
		}
		for how, value := range map[string]string{"panic": "ouch", "goexit": "runtime.Goexit was called"} {
			_, err := pool.Apply(t.Context(), p, fail, how)
			var pe *pool.PanicError
			if !errors.As(err, &pe) || pe.Task != "fail" || pe.Value != value || !strings.Contains(pe.Stack, "pool_test.") {
				t.Errorf("%s: %#v", how, err)
			}
		}
		if s := p.Stats(); s.Killed != 0 {
			t.Errorf("%d workers have died", s.Killed)
		}
		wantNothingLeft(t, p)
	})
}

// The end of the caller's context ends the task's, and the worker is free for others.
func TestApplyEndsWithItsContext(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		for range 10 {
			//clock: that the time-out ends it is the subject
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := pool.Apply(ctx, p, nap, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			if _, err := pool.Apply(t.Context(), p, nap, 0); err != nil {
				t.Fatal(err)
			}
		}
		wantNothingLeft(t, p)
	})
}

// With a context that has ended nothing is sent.
func TestApplyWithAnEndedContext(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		a := newTally(t, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errKnown)
		for range 100 {
			if _, err := pool.Apply(ctx, p, tell, counted{Tally: a}); err != errKnown {
				t.Fatalf("Apply: %v", err)
			}
			if _, err := pool.ApplyAsync(ctx, p, tell, counted{Tally: a}); err != errKnown {
				t.Fatalf("ApplyAsync: %v", err)
			}
		}
		wantNothingLeft(t, p)
		if n := times(a, 0); n != 0 {
			t.Errorf("it has run %d times", n)
		}
	})
}

// What waits for a worker does not run when its caller has gone.
func TestApplyWithdrawn(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		a := newTally(t, 1)
		gate := counter(t)
		block, err := pool.ApplyAsync(t.Context(), p, blobs, blob{Ended: gate, After: 1})
		if err != nil {
			t.Fatal(err)
		}
		//clock: that the time-out ends it is the subject
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := pool.Apply(ctx, p, tell, counted{Tally: a}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if block.Ready() {
			t.Error("it has waited for a worker")
		}
		gate.Add(1)
		if _, err := block.Get(t.Context()); err != nil {
			t.Error(err)
		}
		wantNothingLeft(t, p)
		if n := times(a, 0); n != 0 {
			t.Errorf("it has run %d times", n)
		}
	})
}
