package pool_test

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// A census counts how often each result has come.
type census []atomic.Uint32

func (y census) add(t *testing.T, n int64) {
	t.Helper()
	if n < 0 || n >= int64(len(y)) {
		t.Fatalf("a result of no task: %d", n)
	}
	y[n].Add(1)
}

func (y census) check(t *testing.T) {
	t.Helper()
	for n := range y {
		if times := y[n].Load(); times != 1 {
			t.Fatalf("result %d came %d times", n, times)
		}
	}
}

// chaosUnordered runs a task that squares, with chunks as it says.
func chaosUnordered(task *pool.Task[int64, pair]) func(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	return func(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
		y := make(census, tasks)
		for r, err := range pool.IMapUnordered(ctx, p, task, numbers(tasks)) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Square != r.N*r.N {
				t.Fatalf("%+v", r)
			}
			y.add(t, r.N)
		}
		y.check(t)
	}
}

func chaosOrdered(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	args := func(yield func(parcel) bool) {
		for n := range numbers(tasks) {
			if !yield(parcelOf(n)) {
				return
			}
		}
	}
	next := int64(0)
	for b, err := range pool.IMap(ctx, p, wrap, args) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, wrapped(parcelOf(next))) {
			t.Fatalf("result %d is another's: %d bytes, %.20q", next, len(b), b)
		}
		next++
	}
	if next != int64(tasks) {
		t.Errorf("%d results of %d", next, tasks)
	}
}

func chaosMap(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	args := make([]int64, tasks)
	for i := range args {
		args[i] = int64(i)
	}
	results, err := pool.Map(ctx, p, squareOf, args)
	if err != nil || len(results) != tasks {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if n := int64(i); r != (pair{n, n * n}) {
			t.Fatalf("result %d: %+v", i, r)
		}
	}
}

// chaosMapBytes has large arguments and large results.
func chaosMapBytes(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	const batch = 1000
	for from := 0; from < tasks; from += batch {
		args := make([][]byte, min(batch, tasks-from))
		for i := range args {
			args[i] = wrapped(parcelOf(int64(from + i)))
		}
		results, err := pool.Map(ctx, p, rewrap, args)
		if err != nil || len(results) != len(args) {
			t.Fatalf("%d results, %v", len(results), err)
		}
		for i, b := range results {
			if !bytes.Equal(b, bytes.ToUpper(args[i])) {
				t.Fatalf("result %d is another's: %d bytes, %.20q", from+i, len(b), b)
			}
		}
	}
}

func chaosApply(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	const callers = 8
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for n := next.Add(1) - 1; n < int64(tasks) && !t.Failed(); n = next.Add(1) - 1 {
				if n%2 == 0 {
					if r, err := pool.Apply(ctx, p, squareOf, n); err != nil || r != (pair{n, n * n}) {
						t.Errorf("task %d: %+v, %v", n, r, err)
					}
				} else if b, err := pool.Apply(ctx, p, wrap, parcelOf(n)); err != nil || !bytes.Equal(b, wrapped(parcelOf(n))) {
					t.Errorf("task %d: %d bytes, %v", n, len(b), err)
				}
			}
		})
	}
	all.Wait()
}

func chaosAsync(t *testing.T, ctx context.Context, p *pool.Pool, tasks int) {
	y := make(census, tasks)
	futures := make([]*pool.Future[pair], tasks)
	var called sync.WaitGroup
	for n := range numbers(tasks) {
		f, err := pool.ApplyAsync(ctx, p, squareOf, n)
		if err != nil {
			t.Fatal(err)
		}
		called.Add(1)
		f.OnResult(func(r pair) { y.add(t, r.N); called.Done() })
		futures[n] = f
	}
	for n, f := range futures {
		if r, err := f.Get(ctx); err != nil || r != (pair{int64(n), int64(n) * int64(n)}) {
			t.Fatalf("task %d: %+v, %v", n, r, err)
		}
	}
	called.Wait()
	y.check(t)
}
