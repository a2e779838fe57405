package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// Futures of results and of errors, with callbacks, all of which are called before Close returns.
func TestApplyAsync(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		var sum, results, failures int64 // callbacks are called one after the other
		var all []*pool.Future[int64]
		for i := range int64(2000) {
			f, err := pool.ApplyAsync(t.Context(), p, odd, i)
			if err != nil {
				t.Fatal(err)
			}
			f.OnResult(func(n int64) { sum += n; results++ })
			f.OnError(func(error) { failures++ })
			all = append(all, f)
		}
		for i, f := range all {
			n, err := f.Get(t.Context())
			if (err == nil) != (i%2 == 1) || err == nil && n != int64(i) || !f.Ready() {
				t.Fatalf("%d: %d, %v", i, n, err)
			}
			<-f.Done()
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if results != 1000 || failures != 1000 || sum != 1000*1000 {
			t.Errorf("%d results of sum %d, %d failures", results, sum, failures)
		}
	})
}

// Close waits for all submitted tasks, even if no caller does.
func TestCloseFinishesFutures(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		gate := counter(t)
		var all []*pool.Future[[]byte]
		for range 10 {
			f, err := pool.ApplyAsync(t.Context(), p, blobs, blob{Ended: gate, After: 1})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		if all[9].Ready() {
			t.Error("the last one is ready before its time")
		}
		gate.Add(1)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if _, err := f.Get(t.Context()); err != nil || !f.Ready() {
				t.Error(err)
			}
		}
	})
}

// A callback may use the pool, also when the backlog is full.
func TestCallbackUsesThePool(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Backlog: 2})
		var inner atomic.Int64
		done := make(chan struct{}, 1000)
		for i := range int64(100) {
			f, err := pool.ApplyAsync(t.Context(), p, square, i)
			if err != nil {
				t.Fatal(err)
			}
			f.OnResult(func(n int64) {
				got, err := pool.Apply(context.Background(), p, square, n)
				wantSquare(t, n)(got, err)
				g, err := pool.ApplyAsync(context.Background(), p, square, n)
				if err != nil {
					t.Error(err)
					return
				}
				g.OnResult(func(int64) { inner.Add(1); done <- struct{}{} })
			})
		}
		for range 100 {
			select {
			case <-done:
			case <-time.After(proctest.Hang):
				t.Fatalf("it hangs after %d", inner.Load())
			}
		}
	})
}

// Callbacks are called in the order in which they were given, also when the result is there
// already.
func TestCallbackAfterTheResult(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		f, err := pool.ApplyAsync(t.Context(), p, square, 3)
		if err != nil {
			t.Fatal(err)
		}
		wantSquare(t, 3)(f.Get(t.Context()))
		var order []int
		called := make(chan struct{})
		f.OnError(func(error) { t.Error("there is no error") })
		for i := range 10 {
			f.OnResult(func(int64) {
				if order = append(order, i); i == 9 {
					close(called)
				}
			})
		}
		<-called
		if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("%v", order)
		}
	})
}

// The end of the context of ApplyAsync ends the future, and the context of the task; that of Get
// ends Get alone.
func TestFutureEndsWithItsContext(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		reason := errors.New("enough")
		for range 20 {
			ctx, cancel := context.WithCancelCause(t.Context())
			running, err := pool.ApplyAsync(ctx, p, forever, 1)
			if err != nil {
				t.Fatal(err)
			}
			queued, err := pool.ApplyAsync(ctx, p, forever, 1)
			if err != nil {
				t.Fatal(err)
			}
			//clock: that the time-out ends it is the subject
			short, stop := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := running.Get(short); !errors.Is(err, context.DeadlineExceeded) || running.Ready() {
				t.Error(err)
			}
			stop()
			cancel(reason)
			for _, f := range []*pool.Future[int64]{running, queued} {
				if _, err := f.Get(t.Context()); err != reason {
					t.Error(err)
				}
			}
			wantSquare(t, 4)(pool.Apply(t.Context(), p, square, 4))
		}
		wantNothingLeft(t, p)
	})
}

// A context that ends just as the result comes: each future has one outcome, and no slot is lost.
func TestFutureContextRace(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Backlog: 4})
		for i := range int64(1000) {
			ctx, cancel := context.WithCancel(context.Background())
			f, err := pool.ApplyAsync(ctx, p, square, i)
			if err != nil {
				t.Fatal(err)
			}
			go cancel()
			if n, err := f.Get(t.Context()); err != nil && !errors.Is(err, context.Canceled) || err == nil && n != i*i {
				t.Fatalf("%d, %v", n, err)
			}
		}
		wantNothingLeft(t, p)
	})
}
