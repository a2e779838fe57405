package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A worker is stopped: the others go on, its task waits for it, and Terminate ends it.
func TestStoppedWorker(t *testing.T) {
	var w witness
	p := newPool(t, pool.Options{Workers: 2, OnWorkerExit: w.note})
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	pid := 0
	for round := range 3 {
		chaosMap(t, ctx, p, 100)
		pid = workerPID(t, p, round%2)
		f, err := pool.ApplyAsync(ctx, p, stopSelf, int64(pid))
		for err == nil && !stopped(pid) { // the other one may get it
			f, err = pool.ApplyAsync(ctx, p, stopSelf, int64(pid))
			proctest.Stagger(10 * time.Millisecond)
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
	if err := p.Terminate(100 * time.Millisecond); err != nil { //clock: the time-out is the subject
		t.Error(err)
	}
	w.gone(t)
	exits := w.all()
	killed := slices.IndexFunc(exits, func(e pool.WorkerExit) bool { return e.PID == pid && e.ExitCode == -9 })
	// the grace may be short for both
	if len(exits) != 2 || killed < 0 || exits[1-killed].ExitCode != 0 && exits[1-killed].ExitCode != -9 {
		t.Errorf("%d was stopped: %+v", pid, exits)
	}
}

var stopSelf = pool.Define("stop self", func(_ context.Context, pid int64) (int64, error) {
	if int64(syscall.Getpid()) == pid {
		syscall.Kill(int(pid), syscall.SIGSTOP)
		proctest.Stagger(20 * time.Millisecond) // the signal may take a moment
	}
	return pid, nil
})

// SIGTERM to workers from any process: each finishes its task and is replaced.
func TestWorkerIsAskedToEnd(t *testing.T) {
	var w witness
	p := newPool(t, pool.Options{Workers: 2, Attempts: 1, OnWorkerExit: w.note})
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	var over atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for !over.Load() {
			proctest.Stagger(120 * time.Millisecond)
			// if it is there
			proctest.Signal(t, p.Stats().Workers[rand.IntN(2)].PID, syscall.SIGTERM)
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
	proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Killed > 0 }, "workers end")
	t.Logf("ends: %v", w.reasons())
}

// patient is a task that fails when its context ends.
var patient = pool.Define("patient", func(ctx context.Context, _ int64) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, fmt.Errorf("the context has ended: %w", ctx.Err())
	case <-time.After(5 * time.Millisecond): //clock: it stands for work
		return 0, nil
	}
})
