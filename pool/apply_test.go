package pool_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

var nap = pool.Define("nap", func(ctx context.Context, d time.Duration) (time.Duration, error) {
	select {
	case <-time.After(d):
		return d, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
})

func TestApply(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	for i := range int64(1000) {
		if n, err := pool.Apply(t.Context(), p, square, i); err != nil || n != i*i {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
	}
}

func TestApplyAsync(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	var sum, results, failures atomic.Int64
	var all []*pool.Future[int64]
	for i := range int64(5000) {
		f, err := pool.ApplyAsync(t.Context(), p, odd, i)
		if err != nil {
			t.Fatal(err)
		}
		f.OnResult(func(n int64) { sum.Add(n); results.Add(1) })
		f.OnError(func(error) { failures.Add(1) })
		all = append(all, f)
	}
	for i, f := range all {
		n, err := f.Get(t.Context())
		if (err == nil) != (i%2 == 1) || err == nil && n != int64(i) {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if results.Load() != 2500 || failures.Load() != 2500 || sum.Load() != 2500*2500 {
		t.Errorf("%d results of sum %d, %d failures", results.Load(), sum.Load(), failures.Load())
	}
	if _, err := pool.ApplyAsync(t.Context(), p, odd, 1); !errors.Is(err, pool.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The end of the caller's context ends the task's, and the worker is free for others.
func TestCancel(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := pool.Apply(ctx, p, nap, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
		start := time.Now()
		if _, err := pool.Apply(t.Context(), p, nap, 0); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Fatalf("the worker was free after %v", d)
		}
	}
}
