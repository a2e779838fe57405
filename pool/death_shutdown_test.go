package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// restless is a task that ends its worker now and then.
var restless = pool.Define("restless", func(_ context.Context, n int64) (int64, error) {
	if n%5 == 0 {
		return 0, explode([]string{"kill", "exit", "panic", "goexit"}[n/5%4])
	}
	return n, nil
})

// A50: the pool is closed, terminated or loses its context while tasks crash. It always ends, and
// so do all calls.
func TestShutdownWhileTasksCrash(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, p *pool.Pool, cancel func()) (want error){
		"Close": func(t *testing.T, p *pool.Pool, _ func()) error {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			return nil
		},
		"Terminate": func(t *testing.T, p *pool.Pool, _ func()) error {
			//clock: graces that are too short are the subject
			if err := p.Terminate(time.Duration(rand.IntN(20)) * time.Millisecond); err != nil {
				t.Error(err)
			}
			return pool.ErrClosed
		},
		"context": func(t *testing.T, p *pool.Pool, cancel func()) error {
			cancel()
			if err := p.Join(context.Background()); err != nil {
				t.Error(err)
			}
			return context.Canceled
		},
	} {
		t.Run(name, func(t *testing.T) {
			rounds := 8
			switch {
			case os.Getenv("SHMKIT_LONG") != "":
				rounds = 100
			case testing.Short():
				rounds = 5
			}
			for range rounds {
				shutdownRound(t, end)
			}
		})
	}
}

func shutdownRound(t *testing.T, end func(*testing.T, *pool.Pool, func()) error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var w witness
	p, err := pool.New(ctx, pool.Options{Workers: 2, Attempts: 2, OnWorkerExit: w.note})
	if err != nil {
		t.Fatal(err)
	}
	const tasks = 30
	futures := make([]*pool.Future[int64], tasks)
	for n := range futures {
		if futures[n], err = pool.ApplyAsync(context.Background(), p, restless, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	results := 0
	swept := make(chan error, 1)
	go func() {
		var last error
		for _, err := range pool.IMapUnordered(context.Background(), p, restless, numbers(tasks)) {
			results++
			last = err
		}
		swept <- last
	}()
	proctest.Stagger(15 * time.Millisecond)
	want := end(t, p, cancel)
	for n, f := range futures {
		got, err := f.Get(t.Context())
		var we *pool.WorkerDiedError
		var pe *pool.PanicError
		switch {
		case n%5 != 0 && err == nil && got == int64(n):
		case n%5 == 0 && n/5%4 < 2 && errors.As(err, &we) && we.Attempts == 2:
		case n%5 == 0 && n/5%4 >= 2 && errors.As(err, &pe):
		case want != nil && errors.Is(err, want):
		default:
			t.Errorf("task %d: %d, %v", n, got, err)
		}
	}
	select {
	case <-swept:
	case <-time.After(proctest.Hang):
		t.Fatal("IMapUnordered hangs")
	}
	if results > tasks+1 {
		t.Errorf("%d results of %d tasks", results, tasks)
	}
	w.gone(t)
}

// The pool is resized all the time while its workers crash, are killed and fall asleep: each task
// has its result.
func TestResizeWhileTasksCrash(t *testing.T) {
	t.Parallel()
	var w witness
	//clock: the time-out is the subject
	p := newPool(t, pool.Options{Workers: 3, Attempts: -1, IdleTimeout: 10 * time.Millisecond, OnWorkerExit: w.note})
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	stop := hunt(t, p, 40*time.Millisecond)
	var over atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for !over.Load() {
			if err := p.Resize(1 + rand.IntN(6)); err != nil {
				t.Error(err)
			}
			proctest.Stagger(10 * time.Millisecond)
		}
	})
	for range 10 {
		chaosMap(t, ctx, p, 2000)
		chaosUnordered(squareOf.With(pool.TaskOptions{Chunk: 7}))(t, ctx, p, 500)
		proctest.Stagger(30 * time.Millisecond) // some fall asleep
	}
	over.Store(true)
	all.Wait()
	kills := stop()
	wantNothingLeft(t, p)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	w.gone(t)
	t.Logf("%d kills, ends: %v", kills, w.reasons())
}

// More tasks are queued than any worker gets to see before it is killed, again and again: none is
// lost, and nothing hangs.
func TestDeathWithFullBacklog(t *testing.T) {
	t.Parallel()
	p := newPool(t, pool.Options{Workers: 1, Attempts: -1})
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	futures := make([]*pool.Future[pair], 1024)
	var err error
	for n := range futures {
		if futures[n], err = pool.ApplyAsync(ctx, p, slowSquare, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	stop := hunt(t, p, 80*time.Millisecond)
	time.Sleep(400 * time.Millisecond) // a time for kills
	kills := stop()
	for n, f := range futures {
		if r, err := f.Get(ctx); err != nil || r.N != int64(n) {
			t.Fatalf("task %d: %+v, %v", n, r, err)
		}
	}
	t.Logf("%d kills", kills)
}

var slowSquare = pool.Define("slow square", func(_ context.Context, n int64) (pair, error) {
	proctest.Stagger(2 * time.Millisecond)
	return pair{n, n * n}, nil
})
