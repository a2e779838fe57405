package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// meet is a task that returns when as many as At says have been at it at the same time.
var meet = pool.Define("meet", meetAs)

func meetAs(ctx context.Context, c counted) (int64, error) {
	here := &c.Tally.Slice()[0]
	atomic.AddInt64(here, 1)
	for atomic.LoadInt64(here) < int64(c.At) && ctx.Err() == nil {
		proctest.Stagger(time.Millisecond)
	}
	return 0, ctx.Err()
}

// More workers do more at once, fewer do less; each that is too many finishes its task.
func TestResize(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		var w witness
		p := newPool(pool.Options{Workers: 1, OnWorkerExit: w.note})
		atOnce := func(n int) {
			t.Helper()
			a := newTally(t, 1)
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					if _, err := pool.Apply(t.Context(), p, meet, counted{Tally: a, At: n}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		if err := p.Resize(4); err != nil {
			t.Fatal(err)
		}
		ready(t, p, 4)
		atOnce(4)
		gate := counter(t)
		var tasks sync.WaitGroup
		for range 4 {
			tasks.Go(func() {
				if _, err := pool.Apply(t.Context(), p, blobs, blob{Ended: gate, After: 1}); err != nil {
					t.Error(err)
				}
			})
		}
		proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending == 4 && s.Queued == 0 }, "all run")
		if err := p.Resize(2); err != nil {
			t.Fatal(err)
		}
		gate.Add(1)
		tasks.Wait()
		proctest.Eventually(t, proctest.Hang, func() bool { return len(p.Stats().Workers) == 2 && w.count("retired") == 2 }, "two workers are left")
		atOnce(2)
		if s := p.Stats(); s.Killed != 0 || s.Retried != 0 {
			t.Errorf("%+v", s)
		}
		for _, n := range []int{0, -1, 481} {
			if err := p.Resize(n); err == nil {
				t.Errorf("resize to %d: no error", n)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := p.Resize(2); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("resize of a closed pool: %v", err)
		}
	})
}

// A50: the size changes all the time while tasks run: none is lost, none runs twice.
func TestResizeWhileRunning(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
		defer cancel()
		stop := make(chan struct{})
		var resizing sync.WaitGroup
		resizing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					proctest.Stagger(5 * time.Millisecond)
				}
				if err := p.Resize(1 + rand.IntN(4)); err != nil {
					t.Error(err)
				}
			}
		})
		a := newTally(t, 4000)
		args := func(yield func(counted) bool) {
			for i := range 4000 {
				if !yield(counted{Tally: a, At: i}) {
					return
				}
			}
		}
		at := 0
		for n, err := range pool.IMap(ctx, p, tell, args) {
			if err != nil || n != at || times(a, n) != 1 {
				t.Fatalf("%d: %d, %v", at, n, err)
			}
			at++
		}
		close(stop)
		resizing.Wait()
		if s := p.Stats(); at != 4000 || s.Killed != 0 || s.Retried != 0 {
			t.Errorf("%d results, %+v", at, s)
		}
		wantNothingLeft(t, p)
	})
}

// An IMap uses the workers there are, not those there were when the pool was made.
func TestResizeBeforeIMap(t *testing.T) {
	p := newLocal(t, pool.Options{Workers: 1})
	if err := p.Resize(24); err != nil {
		t.Fatal(err)
	}
	ready(t, p, 24)
	a := newTally(t, 1)
	args := slices.Values(slices.Repeat([]counted{{Tally: a, At: 24}}, 24))
	for _, err := range pool.IMapUnordered(t.Context(), p, meet, args) {
		if err != nil {
			t.Fatal(err)
		}
	}
}
