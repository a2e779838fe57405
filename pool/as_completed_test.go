package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// gated returns futures that end when their counter is raised.
func gated(t *testing.T, p *pool.Pool, n int) (futures []*pool.Future[[]byte], end []func()) {
	t.Helper()
	for range n {
		gate := counter(t)
		f, err := pool.ApplyAsync(t.Context(), p, blobs, blob{Ended: gate, After: 1})
		if err != nil {
			t.Fatal(err)
		}
		futures, end = append(futures, f), append(end, func() { gate.Add(1) })
	}
	return futures, end
}

// Futures come in the order in which they end.
func TestAsCompleted(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 3})
		futures, end := gated(t, p, 3)
		order := []int{2, 0, 1}
		end[order[0]]()
		k := 0
		for f, err := range pool.AsCompleted(t.Context(), futures...) {
			if err != nil || !f.Ready() || f != futures[order[k]] {
				t.Fatalf("future %d of %v: %v", slices.Index(futures, f), order, err)
			}
			if k++; k < len(order) {
				end[order[k]]()
			}
		}
		if k != len(order) {
			t.Errorf("%d futures came", k)
		}
		k = 0
		for f := range pool.AsCompleted(t.Context(), futures[1], futures[0], futures[1]) {
			if f != futures[[]int{1, 0, 1}[k]] { // all have ended
				t.Errorf("future %d came at place %d", slices.Index(futures, f), k)
			}
			k++
		}
	})
}

// The end of the context is the last thing that comes; what has ended comes before it.
func TestAsCompletedContext(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		futures, end := gated(t, p, 2)
		defer end[1]()
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		cause := errors.New("enough")
		end[0]()
		var errs []error
		for f, err := range pool.AsCompleted(ctx, futures...) {
			if errs = append(errs, err); err == nil {
				if f != futures[0] {
					t.Error("the other future has ended")
				}
				cancel(cause)
			}
		}
		if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], cause) {
			t.Errorf("got %v", errs)
		}
		for f, err := range pool.AsCompleted(ctx, futures[0]) {
			if f != futures[0] || err != nil {
				t.Errorf("a future that has ended, after the context: %v", err)
			}
		}
		for range pool.AsCompleted[int64](ctx) {
			t.Error("no futures, and one came")
		}
	})
}

func ExampleAsCompleted() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	var futures []*pool.Future[int64]
	for n := range int64(4) {
		f, err := pool.ApplyAsync(ctx, p, Cube, n)
		if err != nil {
			log.Fatal(err)
		}
		futures = append(futures, f)
	}
	sum := int64(0)
	for f, err := range pool.AsCompleted(ctx, futures...) {
		if err != nil {
			log.Fatal(err) // ctx has ended
		}
		n, err := f.Get(ctx)
		if err != nil {
			log.Fatal(err) // the task has failed
		}
		sum += n
	}
	fmt.Println(sum)
	// Output: 36
}
