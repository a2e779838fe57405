package pooltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A job is the argument of the task do: what it does, and where it leaves its traces.
type job struct {
	N     int64  // the result
	How   string // what it does beside that
	Trace string // a file that gets a byte at each run; empty: none
	Gate  string // a file: the task waits until it is there; empty: it does not wait
}

// What a job may do.
const (
	fails        = "fail"
	failsKnown   = "fail with a registered error"
	failsTwice   = "fail twice"
	panics       = "panic"
	exits        = "goexit"
	deaf         = "do not heed the context"
	dies         = "die"
	diesOnce     = "die once"
	waitsForEnd  = "wait for the end of the context"
	lastWords    = "these are the last words"
	gatePatience = 2 * time.Millisecond // between two looks at a gate
)

var errKnown = errors.New("known to both sides")

func init() { pool.RegisterError("pooltest.errKnown", errKnown) }

var do = pool.Define("pooltest do", doJob)

func doJob(ctx context.Context, j job) (int64, error) {
	run := j.leaveTrace()
	if err := j.passGate(ctx); err != nil {
		return 0, err
	}
	switch j.How {
	case fails:
		return 0, errors.New("failed on purpose")
	case failsKnown:
		return 0, fmt.Errorf("outer: %w", errKnown)
	case failsTwice:
		if run <= 2 {
			return 0, fmt.Errorf("run %d: %w", run, errKnown)
		}
	case panics:
		panic("ouch")
	case exits:
		runtime.Goexit()
	case waitsForEnd:
		<-ctx.Done()
		return 0, context.Cause(ctx)
	case dies:
		die()
	case diesOnce:
		if run == 1 {
			die()
		}
	}
	return j.N, nil
}

// leaveTrace notes the run. It returns which one it is, from 1.
func (j *job) leaveTrace() (run int64) {
	if j.Trace == "" {
		return 1
	}
	f, err := os.OpenFile(j.Trace, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte{1}); err != nil {
		panic(err)
	}
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	return info.Size()
}

// passGate waits until the gate is open, or the context ends.
func (j *job) passGate(ctx context.Context) error {
	for j.Gate != "" {
		if _, err := os.Stat(j.Gate); err == nil {
			return nil
		}
		if ctx.Err() != nil && j.How != deaf {
			return context.Cause(ctx)
		}
		if _, err := os.Stat(filepath.Dir(j.Gate)); err != nil { // the test is over
			return err
		}
		proctest.Stagger(gatePatience)
	}
	return nil
}

// die kills the worker.
func die() {
	fmt.Fprintln(os.Stderr, lastWords)
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

var square = pool.Define("pooltest square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })

var odd = pool.Define("pooltest odd", func(_ context.Context, n int64) (int64, error) {
	if n%2 == 0 {
		return 0, errors.New("even")
	}
	return n, nil
})

// echo returns its argument with another byte.
var echo = pool.Define("pooltest echo", func(_ context.Context, b []byte) ([]byte, error) { return append(b[:len(b):len(b)], 7), nil })

// These return their argument as it is.
var (
	sameBytes = pool.Define("pooltest same bytes", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	sameWords = pool.Define("pooltest same words", func(_ context.Context, w []int64) ([]int64, error) { return w, nil })
	sameTexts = pool.Define("pooltest same texts", func(_ context.Context, s []string) ([]string, error) { return s, nil })
)

// word is a resource that is its argument.
var word = pool.DefineResource("pooltest word", func(_ context.Context, arg string) (string, func() error, error) {
	return arg, func() error { return nil }, nil
})

var wordOf = pool.Define("pooltest word of", func(ctx context.Context, _ int64) (string, error) { return word.Get(ctx), nil })

type wordKey struct{}

// carryWord is an Options.Carry: the word that the context has.
func carryWord(ctx context.Context) (carry [32]byte) {
	text, _ := ctx.Value(wordKey{}).(string)
	copy(carry[:], text)
	return carry
}

var carried = pool.Define("pooltest carried", func(ctx context.Context, j job) (string, error) {
	_, err := doJob(ctx, j)
	carry, ok := pool.Carried(ctx)
	return fmt.Sprintf("%.4s %v", carry[:], ok), err
})

// A trace is a file that tells how often a job has run.
func newTrace(t *testing.T) (file string) { return filepath.Join(proctest.Dir(t), "trace") }

// runs is how often a job with that trace has run.
func runs(t *testing.T, trace string) int64 {
	t.Helper()
	info, err := os.Stat(trace)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// ran waits until a job with that trace has begun.
func ran(t *testing.T, trace string) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool { return runs(t, trace) > 0 }, "the task does not begin")
}

// A gate holds tasks up until it is opened.
func newGate(t *testing.T) (file string) { return filepath.Join(proctest.Dir(t), "gate") }

func open(t *testing.T, gate string) {
	t.Helper()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// occupy has every worker run a task that waits at the gate. It returns the futures of these tasks,
// and of those behind them: a host takes some while its worker runs another one.
func occupy(t *testing.T, p *pool.Pool, gate string) (all []*pool.Future[int64]) {
	t.Helper()
	trace, looks := newTrace(t), 0
	proctest.Eventually(t, proctest.Hang, func() bool {
		if runs(t, trace) >= workers {
			return true
		}
		if looks++; len(all) < workers || looks%20 == 0 {
			f, err := pool.ApplyAsync(t.Context(), p, do, job{Gate: gate, Trace: trace})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		return false
	}, "all workers are at work")
	return all
}

// fullStats waits for statistics in which no host is missing: one may be slow to answer.
func fullStats(t *testing.T, p *pool.Pool) (s pool.Stats) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool { s = p.Stats(); return len(s.Missing) == 0 }, "all hosts answer")
	return s
}

// wantSquare checks a result of square.
func wantSquare(t *testing.T, n int64) func(got int64, err error) {
	return func(got int64, err error) {
		t.Helper()
		if err != nil || got != n*n {
			t.Errorf("square of %d: %d, %v", n, got, err)
		}
	}
}

// wantIdle waits until the pool has nothing to do, and checks that it still works.
func wantIdle(t *testing.T, p *pool.Pool) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Pending == 0 }, "tasks are left")
	wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
}

// numbers are 0 to n-1.
func numbers(n int) (all []int64) {
	for i := range int64(n) {
		all = append(all, i)
	}
	return all
}
