package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// What Options.Task says goes for tasks that do not say otherwise.
func TestTaskDefaults(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		tries := func(most int) func(int, error) (bool, time.Duration) {
			return func(attempt int, _ error) (bool, time.Duration) { return attempt < most, 0 }
		}
		//clock: the time-out is the subject
		p := newPool(pool.Options{Workers: 1, Task: pool.TaskOptions{SoftDeadline: time.Nanosecond, HardDeadline: time.Hour, Retry: tries(3)}})
		if _, err := pool.Apply(t.Context(), p, nap, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("soft: %v", err)
		}
		if s := p.Stats(); s.Retried != 2 {
			t.Errorf("%d retries, not 2", s.Retried)
		}
		own := nap.With(pool.TaskOptions{SoftDeadline: time.Hour, Retry: tries(1)})
		if d, err := pool.Apply(t.Context(), p, own, 1); d != 1 || err != nil {
			t.Errorf("its own: %v, %v", d, err)
		}
		for n, err := range pool.IMap(t.Context(), p, fail, slices.Values([]string{"wrapped"})) {
			if !errors.Is(err, errKnown) {
				t.Errorf("%d, %v", n, err)
			}
		}
		if _, err := pool.ApplyAsync(t.Context(), p, fail.With(pool.TaskOptions{SoftDeadline: time.Hour}), ""); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Retried != 4 {
			t.Errorf("%d retries, not 4", s.Retried)
		}
	})
	//clock: the time-out is the subject
	p := newPool(t, pool.Options{Workers: 1, Task: pool.TaskOptions{HardDeadline: time.Millisecond}})
	_, err := pool.Apply(t.Context(), p, deaf, time.Hour)
	var de *pool.DeadlineError
	if !errors.As(err, &de) {
		t.Errorf("hard: %v", err)
	}
	if _, err := pool.New(t.Context(), pool.Options{Task: pool.TaskOptions{HardDeadline: -1}}); err == nil {
		t.Error("a negative deadline is taken")
	}
}

// OnWorkerStart tells of each worker before OnWorkerExit does, and which worker it replaces.
func TestOnWorkerStart(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		var mu sync.Mutex
		var said []string
		say := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, fmt.Sprintf(format, args...))
		}
		p := newPool(pool.Options{
			Workers: 1, MaxTasksPerWorker: 1,
			OnWorkerStart: func(s pool.WorkerStart) { say("start %s %d %v", s.Name, s.PID, s.Before != 0) },
			OnWorkerExit:  func(e pool.WorkerExit) { say("exit %s %d", e.Name, e.PID) },
		})
		var pids []int
		for range 2 {
			pid, err := pool.Apply(t.Context(), p, pidOf, 0)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		want := []string{
			fmt.Sprintf("start Worker-1 %d false", pids[0]), fmt.Sprintf("exit Worker-1 %d", pids[0]),
			fmt.Sprintf("start Worker-1 %d true", pids[1]), fmt.Sprintf("exit Worker-1 %d", pids[1]),
		}
		if len(said) < 4 || !slices.Equal(said[:4], want) {
			t.Errorf("%q, not %q", said, want)
		}
	})
}

// The label is in Stats, names, errors and what workers write.
func TestLabel(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Attempts: 1, Label: "thumbs"})
	if s := p.Stats(); s.Label != "thumbs" || s.Workers[0].Name != "thumbs/Worker-1" {
		t.Errorf("%+v", s)
	}
	_, err := pool.Apply(t.Context(), p, throw, failingArg{"run", "exit"})
	if err == nil || !strings.Contains(err.Error(), "once, it was thumbs/Worker-1, pid ") {
		t.Errorf("%v", err)
	}
	if _, err := pool.New(t.Context(), pool.Options{Label: "a\nb"}); err == nil {
		t.Error("a label of two lines is taken")
	}
}

// MinWorkers are started at once, the rest when tasks wait.
func TestMinWorkers(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		awake := func(p *pool.Pool) (n int) {
			for _, w := range p.Stats().Workers {
				if w.PID != 0 {
					n++
				}
			}
			return n
		}
		//clock: the time-out is the subject
		p := newPool(pool.Options{Workers: 4, MinWorkers: 1, IdleTimeout: time.Millisecond})
		wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
		if n := awake(p); n != 1 {
			t.Errorf("%d workers for one task", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 3 {
			if _, err := pool.ApplyAsync(ctx, p, forever, 0); err != nil {
				t.Fatal(err)
			}
		}
		proctest.Eventually(t, time.Minute, func() bool { s := p.Stats(); return s.Pending == 3 && s.Queued == 0 }, "three tasks run")
		if n := awake(p); n != 3 {
			t.Errorf("%d workers for three tasks", n)
		}
		cancel()
		proctest.Eventually(t, time.Minute, func() bool { return awake(p) == 1 }, "the rest end when idle")
		if _, err := pool.New(t.Context(), pool.Options{Workers: 2, MinWorkers: 3}); err == nil {
			t.Error("more than all workers are taken")
		}
	})
}

// The worker of a task that goes on although its caller has gone is killed, and the others are not.
func TestDeafTask(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() {
			brief := pool.TaskOptions{Deaf: time.Millisecond} //clock: the time-out is the subject
			_, err := pool.Apply(ctx, p, deaf.With(brief), deafTime(t))
			ended <- err
		}()
		proctest.Eventually(t, time.Minute, func() bool { s := p.Stats(); return s.Pending == 1 && s.Queued == 0 }, "it runs")
		cancel(errInput)
		if err := <-ended; !errors.Is(err, errInput) {
			t.Errorf("%v", err)
		}
		wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3)) // otherwise an hour later
	})
}

// deafTime is how long a deaf task runs: of a goroutine, which cannot be killed, not for ever.
func deafTime(t *testing.T) time.Duration {
	if strings.Contains(t.Name(), "goroutines") {
		return 3 * time.Second
	}
	return time.Hour
}

// busyChild starts a program that uses the processor and memory, and returns when that is so.
var busyChild = pool.Define("busy child", func(ctx context.Context, role string) (int64, error) {
	cmd := proctest.Exec(role)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return 0, err
	}
	<-ctx.Done()
	in.Close()
	return 0, cmd.Wait()
})

var isBusy = proctest.Register("is busy", func([]string) {
	b := make([]byte, 100<<20)
	for i := range b {
		b[i] = byte(i)
	}
	for used := time.Duration(0); used < 600*time.Millisecond; { //clock: of time on processors
		var u syscall.Rusage
		needs(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		used = time.Duration(u.Utime.Nano() + u.Stime.Nano()) // as Stats counts it
	}
	proctest.Say("busy")
	proctest.Hear()
	os.Exit(int(b[256]))
})

// Usage counts the programs that a worker has started.
func TestUsageOfPrograms(t *testing.T) {
	t.Parallel()
	p := newPool(t, pool.Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := pool.ApplyAsync(ctx, p, busyChild, isBusy); err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, time.Minute, func() bool {
		w := p.Stats().Workers[0]
		return w.Memory > 100<<20 && w.CPU >= 500*time.Millisecond //clock: of time on processors
	}, "the worker's usage has that of its program")
}
