package pool_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) {
	if os.Getenv("SHMKIT_TEST_FORGETFUL") == "" { // see TestForgottenMain
		pool.Main()
	}
	if race.Enabled && os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each worker takes a second to end
	}
	if os.Getenv(wait.BackstopEnv) == "" && !crashpoint.Enabled {
		wait.SetBackstop(time.Hour) // for workers, too: a wake-up that is lost hangs
	}
	proctest.Main(m)
}

// makePool makes a pool that is closed after the test.
type makePool func(o pool.Options) *pool.Pool

// eachKind runs a test with pools of processes, with pools of goroutines, and with pools whose
// tasks run elsewhere.
func eachKind(t *testing.T, test func(t *testing.T, newPool makePool)) {
	eachOwnKind(t, test)
	t.Run("elsewhere", func(t *testing.T) {
		test(t, func(o pool.Options) *pool.Pool { return newBridged(t, o) })
	})
}

// eachOwnKind is eachKind for what is decided where the workers are.
func eachOwnKind(t *testing.T, test func(t *testing.T, newPool makePool)) {
	t.Run("processes", func(t *testing.T) {
		test(t, func(o pool.Options) *pool.Pool { return newPool(t, o) })
	})
	t.Run("goroutines", func(t *testing.T) {
		test(t, func(o pool.Options) *pool.Pool { return newLocal(t, o) })
	})
}

func newPool(t testing.TB, o pool.Options) *pool.Pool {
	t.Helper()
	return closed(t)(pool.New(context.Background(), o))
}

// workerPID is the process of a worker of the pool, once it has one.
func workerPID(t testing.TB, p *pool.Pool, worker int) (pid int) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		pid = p.Stats().Workers[worker].PID
		return pid != 0
	}, "the worker is started")
	return pid
}

func newLocal(t testing.TB, o pool.Options) *pool.Pool {
	t.Helper()
	return closed(t)(pool.NewLocal(context.Background(), o))
}

// closed has a new pool closed after the test.
func closed(t testing.TB) func(*pool.Pool, error) *pool.Pool {
	return func(p *pool.Pool, err error) *pool.Pool {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		return p
	}
}

var square = pool.Define("square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })

// wantSquare checks the result of square.
func wantSquare(t testing.TB, n int64) func(got int64, err error) {
	return func(got int64, err error) {
		t.Helper()
		if err != nil || got != n*n {
			t.Errorf("square of %d: %d, %v", n, got, err)
		}
	}
}

var odd = pool.Define("odd", func(_ context.Context, n int64) (int64, error) {
	if n%2 == 0 {
		return 0, errors.New("even")
	}
	return n, nil
})

var forever = pool.Define("forever", func(ctx context.Context, _ int64) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
})

var nap = pool.Define("nap", func(ctx context.Context, d time.Duration) (time.Duration, error) {
	select {
	case <-time.After(d):
		return d, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
})

// deaf is a task that does not heed its context.
var deaf = pool.Define("deaf", func(_ context.Context, d time.Duration) (time.Duration, error) {
	time.Sleep(d) // it stands for work
	return d, nil
})

var pidOf = pool.Define("pid of", func(context.Context, int64) (int, error) { return os.Getpid(), nil })

// numbers yields 0 to n-1.
func numbers(n int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range int64(n) {
			if !yield(i) {
				return
			}
		}
	}
}

// A tally counts, across processes, how often each of some things has happened.
type tally = *shm.Array[int64]

func newTally(t testing.TB, n int) tally {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := shm.NewArray[int64](seg, "tally", n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return a
}

// A counted is an argument of a task that tells how often it runs: it adds to element At of Tally.
type counted struct {
	Tally tally
	At    int
	How   string
}

// tell is the task of a counted: it adds, then does what How says.
var tell = pool.Define("tell", tellAs)

func tellAs(ctx context.Context, c counted) (int, error) {
	atomic.AddInt64(&c.Tally.Slice()[c.At], 1)
	switch c.How {
	case "fail":
		return 0, errors.New("failed on purpose")
	case "wait":
		<-ctx.Done()
		return 0, context.Cause(ctx)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "kill once":
		if atomic.LoadInt64(&c.Tally.Slice()[c.At]) == 1 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	return c.At, nil
}

func times(a tally, at int) int64 { return atomic.LoadInt64(&a.Slice()[at]) }

// ready waits until so many workers take tasks.
func ready(t testing.TB, p *pool.Pool, workers int) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		n := 0
		for _, w := range p.Stats().Workers {
			if w.PID != 0 {
				n++
			}
		}
		return n == workers
	}, "workers are there")
}

// tidy is a task that takes a while after the end of its context.
var tidy = pool.Define("tidy", func(ctx context.Context, c counted) (int64, error) {
	atomic.AddInt64(&c.Tally.Slice()[0], 1)
	<-ctx.Done()
	time.Sleep(50 * time.Millisecond) // it stands for work
	return atomic.AddInt64(&c.Tally.Slice()[1], 1), nil
})
