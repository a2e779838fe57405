package pool_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var upper = pool.Define("upper", func(_ context.Context, words []string) (map[string]int, error) {
	m := map[string]int{}
	for _, w := range words {
		m[strings.ToUpper(w)]++
	}
	return m, nil
})

// eachMap runs a test with Map and with MapAsync.
func eachMap(t *testing.T, test func(t *testing.T, newPool makePool, mapped func(context.Context, *pool.Pool, *pool.Task[int64, int64], []int64) ([]int64, error))) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		t.Run("Map", func(t *testing.T) { test(t, newPool, pool.Map[int64, int64]) })
		t.Run("MapAsync", func(t *testing.T) {
			test(t, newPool, func(ctx context.Context, p *pool.Pool, task *pool.Task[int64, int64], args []int64) ([]int64, error) {
				return pool.MapAsync(ctx, p, task, args).Get(context.Background())
			})
		})
	})
}

// A48: map, and map of nothing: results in order.
func TestMap(t *testing.T) {
	eachMap(t, func(t *testing.T, newPool makePool, mapped func(context.Context, *pool.Pool, *pool.Task[int64, int64], []int64) ([]int64, error)) {
		p := newPool(pool.Options{Workers: 2})
		for _, n := range []int{1, 2, 3, 10000} {
			got, err := mapped(t.Context(), p, square, slices.Collect(numbers(n)))
			if err != nil || len(got) != n {
				t.Fatalf("%d results of %d, %v", len(got), n, err)
			}
			for i, s := range got {
				if s != int64(i*i) {
					t.Fatalf("square of %d: %d", i, s)
				}
			}
		}
		for _, nothing := range [][]int64{nil, {}} {
			if got, err := mapped(t.Context(), p, square, nothing); err != nil || got == nil || len(got) != 0 {
				t.Errorf("map of nothing: %v, %v", got, err)
			}
		}
	})
}

// Arguments and results that are not of fixed size.
func TestMapOfTrees(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		m, err := pool.Map(t.Context(), p, upper, [][]string{{"a", "b", "a"}, nil, strings.Fields(strings.Repeat("x\xff ", 10000))})
		if err != nil || m[0]["A"] != 2 || m[0]["B"] != 1 || len(m[1]) != 0 || len(m[2]) != 1 {
			t.Errorf("map of slices: %v, %v", m, err)
		}
	})
}

// The first error ends a Map: what has not begun is dropped, and contexts of what runs end.
func TestMapDropsTheRest(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Backlog: 64})
		a := newTally(t, 1000)
		args := make([]counted, 1000)
		for i := range args {
			args[i] = counted{Tally: a, At: i, How: "wait"}
		}
		args[1].How = "fail"
		got, err := pool.Map(t.Context(), p, tell, args)
		if err == nil || err.Error() != "failed on purpose" || got != nil {
			t.Errorf("%v, %v", got, err)
		}
		proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Pending == 0 }, "nothing is left")
		began := int64(0)
		for i := range args {
			began += times(a, i)
		}
		// those that ran, and some that began while the others were dropped
		if began > int64(len(args)/10) {
			t.Errorf("%d tasks have run", began)
		}
		wantSquare(t, 5)(pool.Apply(t.Context(), p, square, 5))
	})
}

func TestMapEndsWithItsContext(t *testing.T) {
	eachMap(t, func(t *testing.T, newPool makePool, mapped func(context.Context, *pool.Pool, *pool.Task[int64, int64], []int64) ([]int64, error)) {
		p := newPool(pool.Options{Workers: 2, Backlog: 8})
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			defer cancel(reason)
			proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending-s.Queued == 2 }, "two tasks run")
		}()
		if got, err := mapped(ctx, p, forever, make([]int64, 100)); got != nil || err != reason {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := mapped(ctx, p, square, []int64{1}); err != reason {
			t.Errorf("with a context that has ended: %v", err)
		}
		wantSquare(t, 9)(pool.Apply(t.Context(), p, square, 9)) // the workers are free
	})
}

// MapAsync does not wait, not even for room.
func TestMapAsync(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1, Backlog: 1})
		ctx, cancel := context.WithCancel(t.Context())
		block := pool.MapAsync(ctx, p, forever, []int64{1})
		f := pool.MapAsync(t.Context(), p, square, slices.Collect(numbers(100)))
		if f.Ready() {
			t.Error("it is ready before its time")
		}
		cancel()
		results, failures := make(chan []int64, 1), make(chan error, 1)
		f.OnResult(func(all []int64) { results <- all })
		f.OnError(func(err error) { failures <- err })
		select {
		case all := <-results:
			if len(all) != 100 || all[99] != 99*99 || !f.Ready() {
				t.Errorf("%v", all)
			}
		case err := <-failures:
			t.Error(err)
		}
		if _, err := block.Get(t.Context()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		bad := pool.MapAsync(t.Context(), p, odd, []int64{1, 2})
		bad.OnResult(func(all []int64) { results <- all })
		bad.OnError(func(err error) { failures <- err })
		select {
		case all := <-results:
			t.Errorf("%v", all)
		case err := <-failures:
			if err.Error() != "even" {
				t.Error(err)
			}
		}
	})
}
