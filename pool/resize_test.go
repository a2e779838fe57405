package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// More workers do more at once, fewer do less; each that is too many finishes its task.
func TestResize(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		var w witness
		p := newPool(pool.Options{Workers: 1, OnWorkerExit: w.note})
		atOnce := func(n int) {
			t.Helper()
			var all sync.WaitGroup
			start := time.Now()
			for range n {
				all.Go(func() {
					if _, err := pool.Apply(t.Context(), p, nap, 300*time.Millisecond); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if d := time.Since(start); d > 590*time.Millisecond {
				t.Errorf("%d naps of 300 ms took %v", n, d)
			}
		}
		if err := p.Resize(4); err != nil {
			t.Fatal(err)
		}
		ready(t, p, 4)
		time.Sleep(100 * time.Millisecond) // they have their process ids before they take tasks
		atOnce(4)
		var naps sync.WaitGroup
		for range 4 {
			naps.Go(func() {
				if _, err := pool.Apply(t.Context(), p, nap, 100*time.Millisecond); err != nil {
					t.Error(err)
				}
			})
		}
		proctest.Eventually(t, 10*time.Second, func() bool { s := p.Stats(); return s.Pending == 4 && s.Queued == 0 }, "all nap")
		if err := p.Resize(2); err != nil {
			t.Fatal(err)
		}
		naps.Wait()
		proctest.Eventually(t, 10*time.Second, func() bool { return len(p.Stats().Workers) == 2 && w.count("retired") == 2 }, "two workers are left")
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
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		stop := make(chan struct{})
		var resizing sync.WaitGroup
		resizing.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rand.IntN(5)) * time.Millisecond):
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
	start := time.Now()
	args := func(yield func(time.Duration) bool) {
		for range 24 {
			if !yield(100 * time.Millisecond) {
				return
			}
		}
	}
	for _, err := range pool.IMapUnordered(t.Context(), p, nap, args) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d > 190*time.Millisecond {
		t.Errorf("24 naps of 100 ms took %v", d)
	}
}
