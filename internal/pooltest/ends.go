package pooltest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var ends = []behaviour{
	{name: "EndedContextSendsNothing", check: endedContext},
	{name: "CancelEndsContextOfTask", check: cancelRunning},
	{name: "CancelledTaskThatWaitsDoesNotRun", check: cancelWaiting},
	{name: "SoftDeadlineEndsContext", check: softDeadline},
	{name: "HardDeadlineEndsTask", check: hardDeadline},
	{name: "CloseLetsTasksFinish", check: closeFinishes},
	{name: "ClosedPoolTakesNothing", check: closedTakesNothing},
	{name: "FinishDropsWhatWaits", check: finishDrops},
	{name: "TerminateEndsContexts", check: terminate},
	{name: "TerminateWithManyQueued", options: Options{Backlog: 1200}, check: terminateMany},
	{name: "JoinWaitsForTheEnd", check: join},
}

func endedContext(t *testing.T, _ *Kind, p *pool.Pool) {
	trace := newTrace(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errKnown)
	for range 20 {
		if _, err := pool.Apply(ctx, p, do, job{Trace: trace}); !errors.Is(err, errKnown) {
			t.Fatalf("Apply: %v", err)
		}
		if _, err := pool.ApplyAsync(ctx, p, do, job{Trace: trace}); !errors.Is(err, errKnown) {
			t.Fatalf("ApplyAsync: %v", err)
		}
	}
	wantIdle(t, p)
	if n := runs(t, trace); n != 0 {
		t.Errorf("it has run %d times", n)
	}
}

func cancelRunning(t *testing.T, _ *Kind, p *pool.Pool) {
	for range 3 {
		trace := newTrace(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		f, err := pool.ApplyAsync(ctx, p, do, job{How: waitsForEnd, Trace: trace})
		if err != nil {
			t.Fatal(err)
		}
		ran(t, trace)
		cancel(errKnown)
		if _, err := f.Get(t.Context()); !errors.Is(err, errKnown) {
			t.Errorf("the error is %v", err)
		}
	}
	wantIdle(t, p)
}

func cancelWaiting(t *testing.T, _ *Kind, p *pool.Pool) {
	trace, gate := newTrace(t), newGate(t)
	busy := occupy(t, p, gate)
	ctx, cancel := context.WithCancelCause(t.Context())
	f, err := pool.ApplyAsync(ctx, p, do, job{Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	cancel(errKnown)
	if _, err := f.Get(t.Context()); !errors.Is(err, errKnown) {
		t.Errorf("the error is %v", err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Pending == len(busy) }, "it is dropped")
	open(t, gate)
	for _, f := range busy {
		if _, err := f.Get(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wantIdle(t, p)
	if n := runs(t, trace); n != 0 {
		t.Errorf("it has run %d times", n)
	}
}

func softDeadline(t *testing.T, _ *Kind, p *pool.Pool) {
	//clock: the time-out is the subject
	soft := do.With(pool.TaskOptions{SoftDeadline: 20 * time.Millisecond})
	start := time.Now()
	_, err := pool.Apply(t.Context(), p, soft, job{How: waitsForEnd})
	//clock: at least so long
	if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d < 20*time.Millisecond {
		t.Errorf("after %v: %v", d, err)
	}
	if s := fullStats(t, p); s.Killed != 0 {
		t.Errorf("%d workers were killed", s.Killed)
	}
	wantIdle(t, p)
}

func hardDeadline(t *testing.T, _ *Kind, p *pool.Pool) {
	gate := newGate(t)
	defer open(t, gate) // for goroutines, which are left alone
	//clock: the time-out is the subject
	hard := do.With(pool.TaskOptions{HardDeadline: 100 * time.Millisecond})
	start := time.Now()
	_, err := pool.Apply(t.Context(), p, hard, job{How: deaf, Gate: gate})
	var late *pool.DeadlineError
	if !errors.As(err, &late) || late.Task != do.Name() || late.Limit != 100*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %#v", err)
	}
	if d := time.Since(start); d < 100*time.Millisecond { //clock: at least so long
		t.Errorf("after %v", d)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Killed == 1 }, "its worker counts as killed")
	if s := fullStats(t, p); s.Retried != 0 {
		t.Errorf("%d tasks were tried again", s.Retried)
	}
	wantIdle(t, p)
}

// isClosing waits until the pool takes no tasks any more.
func isClosing(t *testing.T, p *pool.Pool) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		_, err := pool.ApplyAsync(t.Context(), p, square, 1)
		return errors.Is(err, pool.ErrClosed)
	}, "the pool takes tasks")
}

func closeFinishes(t *testing.T, _ *Kind, p *pool.Pool) {
	gate := newGate(t)
	jobs := make([]job, 40)
	for i := range jobs {
		jobs[i] = job{N: int64(i), Gate: gate}
	}
	var all []*pool.Future[int64]
	for _, j := range jobs {
		f, err := pool.ApplyAsync(t.Context(), p, do, j)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	isClosing(t, p)
	open(t, gate)
	for i, f := range all {
		if n, err := f.Get(t.Context()); err != nil || n != int64(i) {
			t.Errorf("task %d: %d, %v", i, n, err)
		}
	}
	if err := proctest.Ends(t, closed, "Close returns"); err != nil {
		t.Error(err)
	}
}

func closedTakesNothing(t *testing.T, _ *Kind, p *pool.Pool) {
	wantIdle(t, p)
	for range 2 { // it may be called again
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	check := func(how string, err error) {
		t.Helper()
		if !errors.Is(err, pool.ErrClosed) {
			t.Errorf("%s: %v", how, err)
		}
	}
	_, err := pool.Apply(t.Context(), p, square, 1)
	check("Apply", err)
	_, err = pool.ApplyAsync(t.Context(), p, square, 1)
	check("ApplyAsync", err)
	_, err = pool.Map(t.Context(), p, square, []int64{1})
	check("Map", err)
	_, err = pool.MapAsync(t.Context(), p, square, []int64{1}).Get(t.Context())
	check("MapAsync", err)
	for _, err := range pool.IMap(t.Context(), p, square, slices.Values([]int64{1})) {
		check("IMap", err)
	}
	check("Resize", p.Resize(1))
}

func finishDrops(t *testing.T, _ *Kind, p *pool.Pool) {
	gate, trace := newGate(t), newTrace(t)
	busy := occupy(t, p, gate)
	var waiting []*pool.Future[int64]
	for range 20 {
		f, err := pool.ApplyAsync(t.Context(), p, do, job{Gate: gate, Trace: trace})
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, f)
	}
	finished := make(chan error, 1)
	go func() { finished <- p.Finish() }()
	for _, f := range waiting {
		if _, err := f.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("one that waits: %v", err)
		}
	}
	open(t, gate)
	done := 0
	for _, f := range busy {
		if _, err := f.Get(t.Context()); err == nil {
			done++
		} else if !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
	}
	if done < workers {
		t.Errorf("%d tasks have finished", done)
	}
	if err := proctest.Ends(t, finished, "Finish returns"); err != nil {
		t.Error(err)
	}
	if n := runs(t, trace); n != 0 {
		t.Errorf("%d of those that wait have run", n)
	}
}

func terminate(t *testing.T, _ *Kind, p *pool.Pool) {
	trace := newTrace(t)
	f, err := pool.ApplyAsync(t.Context(), p, do, job{How: waitsForEnd, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	ran(t, trace)
	if err := p.Terminate(proctest.Hang); err != nil { // shorter: the task heeds its context
		t.Error(err)
	}
	if _, err := f.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
		t.Errorf("the error is %v", err)
	}
}

func terminateMany(t *testing.T, _ *Kind, p *pool.Pool) {
	var all []*pool.Future[int64]
	for range 1000 {
		f, err := pool.ApplyAsync(t.Context(), p, do, job{How: waitsForEnd})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	mapped := pool.MapAsync(t.Context(), p, do, slices.Repeat([]job{{How: waitsForEnd}}, 500))
	if err := p.Terminate(0); err != nil {
		t.Error(err)
	}
	for i, f := range all {
		if _, err := f.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Fatalf("task %d: %v", i, err)
		}
	}
	if _, err := mapped.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
		t.Error(err)
	}
}

func join(t *testing.T, _ *Kind, p *pool.Pool) {
	joined := proctest.MustBlock(t, func() {
		if err := p.Join(t.Context()); err != nil {
			t.Error(err)
		}
	})
	wantIdle(t, p)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	proctest.Ends(t, joined, "Join returns")
}
