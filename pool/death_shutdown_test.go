package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

// A50: the pool is closed, terminated or loses its context while tasks crash. It always ends, and so do all calls.
func TestShutdownWhileTasksCrash(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *pool.Pool, cancel func()) (want error){
		"Close": func(t *testing.T, p *pool.Pool, _ func()) error {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			return nil
		},
		"Terminate": func(t *testing.T, p *pool.Pool, _ func()) error {
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
			rounds := 20
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
	time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond)
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
	case <-time.After(20 * time.Second):
		t.Fatal("IMapUnordered hangs")
	}
	if results > tasks+1 {
		t.Errorf("%d results of %d tasks", results, tasks)
	}
	w.gone(t)
}

// The pool is resized all the time while its workers crash, are killed and fall asleep: each task has its result.
func TestResizeWhileTasksCrash(t *testing.T) {
	var w witness
	p := newPool(t, pool.Options{Workers: 3, Attempts: -1, IdleTimeout: 10 * time.Millisecond, OnWorkerExit: w.note})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop := hunt(t, p, 20*time.Millisecond)
	var over atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for !over.Load() {
			if err := p.Resize(1 + rand.IntN(6)); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	for range 10 {
		chaosMap(t, ctx, p, 2000)
		chaosUnordered(squareOf.With(pool.TaskOptions{Chunk: 7}))(t, ctx, p, 500)
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // some fall asleep
	}
	over.Store(true)
	all.Wait()
	kills := stop()
	if err := pool.Leftovers(p); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	w.gone(t)
	t.Logf("%d kills, ends: %v", kills, w.reasons())
}

// More tasks are queued than any worker gets to see before it is killed, again and again: none is lost, and nothing hangs.
func TestDeathWithFullBacklog(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Attempts: -1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	futures := make([]*pool.Future[pair], 1024)
	var err error
	for n := range futures {
		if futures[n], err = pool.ApplyAsync(ctx, p, slowSquare, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	stop := hunt(t, p, 40*time.Millisecond)
	time.Sleep(400 * time.Millisecond)
	kills := stop()
	for n, f := range futures {
		if r, err := f.Get(ctx); err != nil || r.N != int64(n) {
			t.Fatalf("task %d: %+v, %v", n, r, err)
		}
	}
	t.Logf("%d kills", kills)
}

var slowSquare = pool.Define("slow square", func(_ context.Context, n int64) (pair, error) {
	time.Sleep(time.Millisecond)
	return pair{n, n * n}, nil
})

// A pool that ends by itself while somebody waits for room in its queue refuses what waits; nothing hangs.
func TestPoolFailsWithFullBacklog(t *testing.T) {
	newDiary(t)
	t.Setenv(suicideEnv, "0")
	p := newPool(t, pool.Options{Workers: 1, Backlog: 8, Resources: []pool.AnyResource{suicidal}})
	t.Setenv(suicideEnv, "1000000")
	ended := make(chan error, 1)
	go func() {
		for n := int64(0); ; n++ {
			if _, err := pool.ApplyAsync(context.Background(), p, throw, grenade{"run", "kill"}); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		if !strings.Contains(err.Error(), "were killed before they took tasks") {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it hangs")
	}
}

// Workers are killed before they take tasks: they are replaced, and New and the tasks only wait for it.
func TestDeathDuringStart(t *testing.T) {
	d := newDiary(t)
	t.Setenv(suicideEnv, "8")
	p := newPool(t, pool.Options{Workers: 2, Resources: []pool.AnyResource{suicidal}})
	if n, err := pool.Apply(t.Context(), p, square, 7); n != 49 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if s := p.Stats(); s.Killed != 8 {
		t.Errorf("%d workers died, not 8", s.Killed)
	}
	if n := d.count("born"); n != 10 {
		t.Errorf("%d workers were started, not 10", n)
	}
}

// suicidal is a resource of which the first so many workers die.
var suicidal = pool.DefineResource("suicidal", func(context.Context) (int, func() error, error) {
	note("born")
	if born := (&diary{path: diaryPath()}).count("born"); born <= suicides() {
		syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	}
	return 0, nil, nil
})

// Without an end, that is an error, not an endless respawn.
func TestEndlessDeathDuringStart(t *testing.T) {
	d := newDiary(t)
	t.Setenv(suicideEnv, "1000000")
	_, err := pool.New(t.Context(), pool.Options{Workers: 2, Resources: []pool.AnyResource{suicidal}})
	if err == nil || !strings.Contains(err.Error(), "21 workers in a row were killed before they took tasks") || d.count("born") > 100 {
		t.Errorf("%d workers were started: %v", d.count("born"), err)
	}
}

// A worker is stopped: the others go on, its task waits for it, and Terminate ends it.
func TestStoppedWorker(t *testing.T) {
	var w witness
	p := newPool(t, pool.Options{Workers: 2, OnWorkerExit: w.note})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for round := range 3 {
		chaosMap(t, ctx, p, 100)
		pid := workerPID(t, p, round%2)
		f, err := pool.ApplyAsync(ctx, p, stopSelf, int64(pid))
		for err == nil && len(stopped(pid)) == 0 { // the other one may get it
			f, err = pool.ApplyAsync(ctx, p, stopSelf, int64(pid))
			time.Sleep(5 * time.Millisecond)
		}
		if err != nil {
			t.Fatal(err)
		}
		for n := range numbers(200) {
			if got, err := pool.Apply(ctx, p, square, n); err != nil || got != n*n {
				t.Fatalf("%d, %v", got, err)
			}
		}
		if round < 2 {
			proctest.Signal(t, pid, syscall.SIGCONT)
			if _, err := f.Get(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	start := time.Now()
	if err := p.Terminate(100 * time.Millisecond); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Terminate took %v", took)
	}
	w.gone(t)
	if exits := w.all(); len(exits) != 2 || exits[0].ExitCode+exits[1].ExitCode != -9 {
		t.Errorf("%+v", exits)
	}
}

var stopSelf = pool.Define("stop self", func(_ context.Context, pid int64) (int64, error) {
	if int64(syscall.Getpid()) == pid {
		syscall.Kill(int(pid), syscall.SIGSTOP)
		time.Sleep(10 * time.Millisecond) // until it has stopped
	}
	return pid, nil
})

// SIGTERM to workers from anybody: each finishes its task and is replaced.
func TestWorkerIsAskedToEnd(t *testing.T) {
	var w witness
	p := newPool(t, pool.Options{Workers: 2, Attempts: 1, OnWorkerExit: w.note})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var over atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for !over.Load() {
			time.Sleep(60 * time.Millisecond)
			proctest.Signal(t, p.Stats().Workers[rand.IntN(2)].PID, syscall.SIGTERM) // if it is there
		}
	})
	for range 10 {
		args := make([]int64, 20)
		if _, err := pool.Map(ctx, p, patient.With(pool.TaskOptions{Chunk: 1}), args); err != nil {
			t.Error(err)
		}
	}
	over.Store(true)
	all.Wait()
	proctest.Eventually(t, 10*time.Second, func() bool { return p.Stats().Killed > 0 }, "workers end")
	t.Logf("ends: %v", w.reasons())
}

// patient is a task that fails when its context ends.
var patient = pool.Define("patient", func(ctx context.Context, _ int64) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, fmt.Errorf("the context has ended: %w", ctx.Err())
	case <-time.After(5 * time.Millisecond):
		return 0, nil
	}
})
