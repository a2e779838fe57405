package pooltest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var deaths = []behaviour{
	{name: "TaskOfDeadWorkerRunsAgain", check: runsAgain, deadly: true},
	{name: "PoisonIsQuarantined", options: Options{Attempts: 2}, check: poison, deadly: true},
	{name: "AttemptsOfTaskComeBeforeThoseOfPool", options: Options{Attempts: 2}, check: attempts, deadly: true},
	{name: "DeathInChunkHitsOneArgument", options: Options{Attempts: 2}, check: deathInChunk, deadly: true},
	{name: "MapOutlivesDeaths", check: mapOutlivesDeaths, deadly: true},
	{name: "DeafTaskWithoutCallerIsKilled", check: deafTask, deadly: true},
}

func runsAgain(t *testing.T, _ *Kind, p *pool.Pool) {
	trace := newTrace(t)
	if n, err := pool.Apply(t.Context(), p, do, job{N: 5, How: diesOnce, Trace: trace}); err != nil || n != 5 || runs(t, trace) != 2 {
		t.Errorf("%d, %v; it has run %d times", n, err, runs(t, trace))
	}
	if s := fullStats(t, p); s.Killed != 1 || s.Retried != 1 {
		t.Errorf("%d workers have died, %d attempts after the first", s.Killed, s.Retried)
	}
	wantIdle(t, p)
}

func poison(t *testing.T, _ *Kind, p *pool.Pool) {
	trace := newTrace(t)
	_, err := pool.Apply(t.Context(), p, do, job{How: dies, Trace: trace})
	var died *pool.WorkerDiedError
	if !errors.As(err, &died) {
		t.Fatalf("the error is %v", err)
	}
	if died.Task != do.Name() || died.Attempts != 2 || died.Signal == "" || died.PID == 0 || !strings.Contains(died.Worker, "Worker-") {
		t.Errorf("the error is %#v", died)
	}
	if !strings.Contains(died.Stderr, lastWords) || runs(t, trace) != 2 {
		t.Errorf("the last words are %q, after %d runs", died.Stderr, runs(t, trace))
	}
	wantIdle(t, p)
}

func attempts(t *testing.T, _ *Kind, p *pool.Pool) {
	for attempts, want := range map[int]int64{0: 2, 1: 1, 4: 4} {
		trace := newTrace(t)
		_, err := pool.Apply(t.Context(), p, do.With(pool.TaskOptions{Attempts: attempts}), job{How: dies, Trace: trace})
		var died *pool.WorkerDiedError
		if !errors.As(err, &died) || int64(died.Attempts) != want || runs(t, trace) != want {
			t.Errorf("attempts %d: it has run %d times, %v", attempts, runs(t, trace), err)
		}
	}
	wantIdle(t, p)
}

func deathInChunk(t *testing.T, _ *Kind, p *pool.Pool) {
	trace := newTrace(t)
	var jobs []job
	for i := range int64(21) {
		jobs = append(jobs, job{N: i})
	}
	jobs[10].How, jobs[10].Trace = dies, trace
	at := int64(0)
	for n, err := range pool.IMap(t.Context(), p, do.With(pool.TaskOptions{Chunk: 7}), slices.Values(jobs)) {
		var died *pool.WorkerDiedError
		if at == 10 && (!errors.As(err, &died) || died.Attempts != 2) || at != 10 && (err != nil || n != at) {
			t.Errorf("result %d: %d, %v", at, n, err)
		}
		at++
	}
	if n := runs(t, trace); n != 2 || at != 21 {
		t.Errorf("the one that kills has run %d times; %d results", n, at)
	}
	wantIdle(t, p)
}

func mapOutlivesDeaths(t *testing.T, _ *Kind, p *pool.Pool) {
	var jobs []job
	for i := range int64(60) {
		j := job{N: i}
		if i%20 == 7 {
			j.How, j.Trace = diesOnce, newTrace(t)
		}
		jobs = append(jobs, j)
	}
	for _, chunk := range []int{1, 5} {
		got, err := pool.Map(t.Context(), p, do.With(pool.TaskOptions{Chunk: chunk}), jobs)
		if err != nil || !slices.Equal(got, numbers(60)) {
			t.Errorf("chunk %d: %d results, %v", chunk, len(got), err)
		}
	}
	wantIdle(t, p)
}

func deafTask(t *testing.T, _ *Kind, p *pool.Pool) {
	trace, gate := newTrace(t), newGate(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	//clock: the time-out is the subject
	f, err := pool.ApplyAsync(ctx, p, do.With(pool.TaskOptions{Deaf: 10 * time.Millisecond}), job{How: deaf, Gate: gate, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	ran(t, trace)
	cancel(errKnown)
	if _, err := f.Get(t.Context()); !errors.Is(err, errKnown) {
		t.Errorf("the error is %v", err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Killed == 1 }, "its worker is killed")
	wantIdle(t, p)
}
