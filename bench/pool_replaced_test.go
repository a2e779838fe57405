//go:build linux

package bench

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// A victim is the argument of a task that kills its first worker.
type victim struct {
	First *shm.Int64 // process of the first attempt, 0 before it
}

// outlive waits for the kill in its first attempt, and returns its process id in the second one.
var outlive = pool.Define("outlive", func(ctx context.Context, v victim) (int64, error) {
	pid := int64(os.Getpid())
	if v.First.CompareAndSwap(0, pid) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return pid, nil
})

// BenchmarkWorkerReplaced takes the time from just before the SIGKILL of the only worker of a pool,
// which runs a task, until the task's result is there from its replacement. The worker has got as
// old as a holder of a lock in BenchmarkRecoverAfterKill. The row os-exec is a process that is
// killed and replaced by package os/exec.
func BenchmarkWorkerReplaced(b *testing.B) {
	replacedComparison(b).run(b)
	note("no rows %s of python: a Pool never returns the result of a task whose worker was killed, and an executor breaks for good", b.Name())
}

func replacedComparison(tb testing.TB) *comparison {
	tb.Helper()
	return &comparison{
		contenders: []contender{{impl: "shmkit", do: newKillBench(tb).kill}, {impl: byHand, do: replaceByHand}},
		want:       func(ops int) int64 { return int64(ops) },
		first:      3, shortly: 1, rounds: 10, budget: time.Second, most: 4,
		unit: milliseconds, finish: reportByHand,
	}
}

// A killBench is a pool of one worker, which each operation kills.
type killBench struct {
	pool  *pool.Pool
	first *shm.Int64
}

func newKillBench(tb testing.TB) *killBench {
	tb.Helper()
	seg, err := shm.Create(segmentIn(proctest.Dir(tb)), shm.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { seg.Close() })
	first, err := shm.NewInt64(seg, "first", 0)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := pool.New(context.Background(), pool.Options{Workers: 1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	return &killBench{p, first}
}

func (s *killBench) kill(tb testing.TB, ops int) (a answer) {
	tb.Helper()
	a.ns = make([]float64, ops)
	for i := range a.ns {
		s.first.Store(0)
		killed := make(chan time.Time, 1)
		go s.killFirst(tb, killed)
		pid, err := pool.Apply(context.Background(), s.pool, outlive, victim{s.first})
		end := time.Now()
		if err != nil {
			tb.Fatal(err)
		}
		if pid == 0 || pid == s.first.Load() {
			tb.Fatalf("a result from process %d, killed was %d", pid, s.first.Load())
		}
		a.ns[i] = float64(end.Sub(<-killed))
		a.total++
	}
	return a
}

// killFirst kills the worker that runs the task when it is old enough, and sends the time.
func (s *killBench) killFirst(tb testing.TB, killed chan<- time.Time) {
	for s.first.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(grownUp)
	killed <- time.Now()
	proctest.Signal(tb, int(s.first.Load()), syscall.SIGKILL)
}

// TestWorkerReplacedRows kills a few workers.
func TestWorkerReplacedRows(t *testing.T) { replacedComparison(t).test(t) }
