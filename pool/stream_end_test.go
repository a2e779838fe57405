package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// afterValues is what a task does after its values. It adds to element 3 of what is seen when its
// context has ended.
func afterValues(ctx context.Context, how string, seen []int64) error {
	switch how {
	case "fail":
		return fmt.Errorf("at the end: %w", errKnown)
	case "panic":
		panic("ouch")
	case "goexit":
		runtime.Goexit()
	case "exit":
		fmt.Fprintln(os.Stderr, "no disk")
		os.Exit(7)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "kill once", "fail once":
		if atomic.LoadInt64(&seen[2]) > 1 {
			return nil
		}
		return afterValues(ctx, strings.TrimSuffix(how, " once"), seen)
	case "wait":
		<-ctx.Done()
		atomic.AddInt64(&seen[3], 1)
		return context.Cause(ctx)
	case "hang":
		select {}
	}
	return nil
}

// paceAll streams from pace, and returns the number of values before the error.
func paceAll(ctx context.Context, p *pool.Pool, task *pool.StreamTask[paced, []byte], a paced) (n int, err error) {
	for b, err := range pool.Stream(ctx, p, task, a) {
		if err != nil {
			return n, err
		}
		if len(b) != a.Bytes || a.Bytes > 0 && b[0] != byte(n) {
			return n, fmt.Errorf("value %d is another's", n)
		}
		n++
	}
	return n, nil
}

// What ends a task comes after all its values, whether they fit into the ring or not.
func TestStreamEnds(t *testing.T) {
	ends := map[string]func(err error) bool{
		"":     func(err error) bool { return err == nil },
		"fail": func(err error) bool { return errors.As(err, new(*pool.TaskError)) && errors.Is(err, errKnown) },
		"panic": func(err error) bool {
			var p *pool.PanicError
			return errors.As(err, &p) && p.Value == "ouch" && strings.Contains(p.Stack, "afterValues")
		},
		"goexit": func(err error) bool { return errors.As(err, new(*pool.PanicError)) },
	}
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		for how, is := range ends {
			for _, a := range []paced{{N: 0, Bytes: 8}, {N: 3, Bytes: 8}, {N: 20, Bytes: 30_000}} {
				a.Tally, a.How = newTally(t, 4), how
				if n, err := paceAll(t.Context(), p, pace, a); n != a.N || !is(err) {
					t.Errorf("%q after %d values: %d values, %v", how, a.N, n, err)
				}
			}
		}
		wantNothingLeft(t, p)
	})
}

// A worker that dies of a task that has yielded something is an error that names it, after all
// values that were yielded, and the task does not run again. One that dies before is as that of any
// other task.
func TestStreamWorkerDies(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Attempts: 2, Stderr: nowhere{}})
	for _, how := range []string{"kill", "exit"} {
		for _, a := range []paced{{N: 1, Bytes: 8}, {N: 1000, Bytes: 8}, {N: 20, Bytes: 30_000}} {
			a.Tally, a.How = newTally(t, 4), how
			n, err := paceAll(t.Context(), p, pace, a)
			var died *pool.WorkerDiedError
			if n != a.N || !errors.As(err, &died) || died.Task != "pace" || died.PID == 0 || died.Attempts != 1 {
				t.Errorf("%s after %d values: %d values, %v", how, a.N, n, err)
			}
			if how == "exit" && (died == nil || died.ExitCode != 7 || !strings.Contains(died.Stderr, "no disk")) {
				t.Errorf("%v", err)
			}
			if times(a.Tally, 2) != 1 {
				t.Errorf("it has run %d times", times(a.Tally, 2))
			}
		}
	}
	a := paced{newTally(t, 4), 0, 8, "kill once"}
	if n, err := paceAll(t.Context(), p, pace, a); n != 0 || err != nil || times(a.Tally, 2) != 2 {
		t.Errorf("%d values, %v, %d runs", n, err, times(a.Tally, 2))
	}
	a = paced{newTally(t, 4), 0, 8, "kill"}
	var died *pool.WorkerDiedError
	if _, err := paceAll(t.Context(), p, pace, a); !errors.As(err, &died) || died.Attempts != 2 || times(a.Tally, 2) != 2 {
		t.Errorf("%v, %d runs", err, times(a.Tally, 2))
	}
	wantNothingLeft(t, p)
}

// A worker that is killed from outside, while it waits for room and while its loop waits for a
// value: the loop gets what was yielded, and ends.
func TestStreamWorkerKilled(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	for _, a := range []paced{{N: 1 << 20, Bytes: 9_000}, {N: 1, Bytes: 8, How: "wait"}} {
		a.Tally = newTally(t, 4)
		n := 0
		var last error
		for b, err := range pool.Stream(t.Context(), p, pace, a) {
			if last = err; err == nil {
				if len(b) != a.Bytes || b[0] != byte(n) {
					t.Fatalf("value %d is another's", n)
				}
				if n++; n == 1 {
					syscall.Kill(workerPID(t, p, 0), syscall.SIGKILL)
				}
			}
		}
		// The value that it was about to yield may be lost.
		yielded := int(times(a.Tally, 0))
		if !errors.As(last, new(*pool.WorkerDiedError)) || n < yielded-1 || n > yielded {
			t.Errorf("%d values of %d, %v", n, yielded, last)
		}
	}
	wantNothingLeft(t, p)
}

// Retry is asked about a task that has yielded nothing.
func TestStreamRetry(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1, Task: pool.TaskOptions{
			Retry: func(attempt int, _ error) (bool, time.Duration) { return attempt < 3, 0 },
		}})
		for _, test := range []struct{ values, runs int }{{0, 2}, {1, 1}} {
			a := paced{newTally(t, 4), test.values, 8, "fail once"}
			n, err := paceAll(t.Context(), p, pace, a)
			if n != test.values || (err == nil) != (test.values == 0) || times(a.Tally, 2) != int64(test.runs) {
				t.Errorf("%d values, %v, %d runs", n, err, times(a.Tally, 2))
			}
		}
		wantNothingLeft(t, p)
	})
}

// The soft deadline ends the context of the task, and so its values; the hard one kills the worker.
func TestStreamDeadlines(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		//clock: the deadline is the subject
		soft := pace.With(pool.TaskOptions{SoftDeadline: 50 * time.Millisecond})
		n, err := paceAll(t.Context(), p, soft, paced{newTally(t, 4), 1 << 40, 8, ""})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("soft: %d values, %v", n, err)
		}
		//clock: the deadline is the subject
		hard := pace.With(pool.TaskOptions{HardDeadline: 200 * time.Millisecond})
		a := paced{newTally(t, 4), 3, 8, "hang"}
		if n, err = paceAll(t.Context(), p, hard, a); n > 3 || !errors.As(err, new(*pool.DeadlineError)) {
			t.Errorf("hard: %d values, %v", n, err)
		}
		wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
	})
}

// A value that cannot travel, or can never fit, is the error of the task, and the pool goes on.
func TestStreamUnsendable(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1, Memory: 1 << 20})
		n, err := paceAll(t.Context(), p, pace, paced{newTally(t, 4), 1, 1<<20 + 1, ""})
		if n != 0 || err == nil || !strings.Contains(err.Error(), "Options.Memory") {
			t.Errorf("too large: %d values, %v", n, err)
		}
		if n, err := paceAll(t.Context(), p, pace, paced{newTally(t, 4), 2, 1 << 20, ""}); n != 2 || err != nil {
			t.Errorf("as large as it may be: %d values, %v", n, err)
		}
		n = 0
		for _, err = range pool.Stream(t.Context(), p, yieldsCycle, 2) {
			n++
		}
		if n != 3 || err == nil || !strings.Contains(err.Error(), "value that it yields") {
			t.Errorf("a cycle: %d values and errors, %v", n, err)
		}
		wantNothingLeft(t, p)
	})
}

// yieldsCycle yields n values, and then one that contains itself.
var yieldsCycle = pool.DefineStream("yields a cycle", func(_ context.Context, n int) iter.Seq2[*streamed, error] {
	return func(yield func(*streamed, error) bool) {
		for range n {
			if !yield(&streamed{}, nil) {
				return
			}
		}
		var s streamed
		s.Next = &s
		yield(&s, nil)
	}
})

// The pool ends while it streams: Close and Finish wait for the task, Terminate ends it. What has
// come before is not lost.
func TestStreamPoolEnds(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		for name, end := range map[string]func(p *pool.Pool) error{
			"Close": (*pool.Pool).Close, "Finish": (*pool.Pool).Finish,
			"Restart": func(p *pool.Pool) error { return p.Restart(context.Background()) },
		} {
			p := newPool(pool.Options{Workers: 1})
			ended := make(chan error, 1)
			n := 0
			for v, err := range pool.Stream(t.Context(), p, streamInts, manyOf(40_000, func(i int) int { return i })) {
				if err != nil || v != n {
					t.Fatalf("%s: %d, not %d: %v", name, v, n, err)
				}
				if n++; n == 1 {
					go func() { ended <- end(p) }()
				}
			}
			if err := proctest.Ends(t, ended, name); n != 40_000 || err != nil {
				t.Errorf("%s: %d values, %v", name, n, err)
			}
		}
		p := newPool(pool.Options{Workers: 1})
		n := 0
		var last error
		for _, err := range pool.Stream(t.Context(), p, pace, paced{newTally(t, 4), 3, 8, "wait"}) {
			if last = err; err != nil {
				break
			}
			if n++; n == 1 {
				if err := p.Terminate(proctest.Hang); err != nil {
					t.Error(err)
				}
			}
		}
		if n == 0 || n > 3 || !errors.Is(last, pool.ErrClosed) {
			t.Errorf("Terminate: %d values, %v", n, last)
		}
		n = 0
		for _, last = range pool.Stream(t.Context(), p, streamInts, nil) {
			n++
		}
		if n != 1 || !errors.Is(last, pool.ErrClosed) {
			t.Errorf("a closed pool: %d values and errors, %v", n, last)
		}
	})
}

// A body that panics ends the task, and leaves nothing.
func TestStreamBodyPanics(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		seen := newTally(t, 4)
		func() {
			defer func() {
				if recover() != "mine" {
					t.Error("the panic is lost")
				}
			}()
			for range pool.Stream(t.Context(), p, pace, paced{seen, 1 << 30, 8, ""}) {
				panic("mine")
			}
		}()
		proctest.Eventually(t, proctest.Hang, func() bool { return times(seen, 1) == 1 }, "the task has ended")
		wantNothingLeft(t, p)
	})
}
