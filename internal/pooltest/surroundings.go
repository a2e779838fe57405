package pooltest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var surroundings = []behaviour{
	{name: "StatsCountTasks", check: stats},
	{name: "LabelNamesPoolAndWorkers", options: Options{Label: "thumbnails"}, check: label},
	{name: "CarryIsWithEachTask", options: Options{Carry: true}, check: carry},
	{name: "CarryIsWithTaskThatRunsAgain", options: Options{Carry: true}, check: carryAgain, deadly: true},
	{name: "WithoutCarryNothingIs", check: carryNothing},
	{name: "ResourcesAreOpenForTasks", options: Options{Resource: true}, check: resources},
	{name: "WorkersAreRecycled", options: Options{MaxTasksPerWorker: 5}, check: recycled},
	{name: "ResizeOrErrorThatSaysWhoDecides", check: resize},
	{name: "RestartOrErrorThatSaysWhoDecides", check: restart},
}

func stats(t *testing.T, k *Kind, p *pool.Pool) {
	if s := fullStats(t, p); s.Pending != 0 || s.Queued != 0 || s.Total.Samples != 0 || len(s.Workers) != workers {
		t.Errorf("at first: %+v", s)
	}
	gate := newGate(t)
	busy := occupy(t, p, gate)
	behind := len(busy) - workers
	proctest.Eventually(t, proctest.Hang, func() bool {
		s := fullStats(t, p)
		return s.Pending == len(busy) && (s.Queued == behind || k.Elsewhere && s.Queued < behind)
	}, "all tasks are pending, and those behind the first ones are queued")
	open(t, gate)
	if _, err := pool.Map(t.Context(), p, square.With(pool.TaskOptions{Chunk: 10}), numbers(100)); err != nil {
		t.Error(err)
	}
	for _, f := range busy {
		if _, err := f.Get(t.Context()); err != nil {
			t.Error(err)
		}
	}
	var s pool.Stats
	proctest.Eventually(t, proctest.Hang, func() bool {
		s = fullStats(t, p)
		tasks := uint64(0)
		for _, w := range s.Workers {
			tasks += w.Tasks
		}
		return s.Pending == 0 && tasks == uint64(100+len(busy))
	}, "all tasks are counted")
	for _, w := range s.Workers {
		if w.Name == "" || w.PID == 0 || w.Restarts != 0 || w.Memory < 1<<20 {
			t.Errorf("a worker: %+v", w)
		}
	}
	if s.Total.Samples == 0 || s.Run.Samples == 0 || s.Run.Max <= 0 || s.Killed != 0 || s.Retried != 0 {
		t.Errorf("%+v", s)
	}
}

func label(t *testing.T, _ *Kind, p *pool.Pool) {
	s := fullStats(t, p)
	if s.Label != "thumbnails" {
		t.Errorf("the label is %q", s.Label)
	}
	for _, w := range s.Workers {
		if !strings.Contains(w.Name, "thumbnails/Worker-") {
			t.Errorf("a worker is %q", w.Name)
		}
	}
}

// wantCarried checks that a task has seen a word.
func wantCarried(t *testing.T, word string) func(string, error) {
	return func(got string, err error) {
		t.Helper()
		if err != nil || got != word+" true" {
			t.Errorf("%q, %v, not %s", got, err, word)
		}
	}
}

func withWord(t *testing.T, word string) context.Context {
	return context.WithValue(t.Context(), wordKey{}, word)
}

func carry(t *testing.T, _ *Kind, p *pool.Pool) {
	wantCarried(t, "one.")(pool.Apply(withWord(t, "one."), p, carried, job{}))
	f, err := pool.ApplyAsync(withWord(t, "two."), p, carried, job{})
	if err != nil {
		t.Fatal(err)
	}
	wantCarried(t, "two.")(f.Get(t.Context()))
	for _, chunk := range []int{0, 1, 7} {
		all, err := pool.Map(withWord(t, "many"), p, carried.With(pool.TaskOptions{Chunk: chunk}), make([]job, 30))
		if err != nil || len(all) != 30 {
			t.Fatalf("%d results, %v", len(all), err)
		}
		for _, got := range all {
			wantCarried(t, "many")(got, nil)
		}
	}
}

func carryAgain(t *testing.T, _ *Kind, p *pool.Pool) {
	wantCarried(t, "same")(pool.Apply(withWord(t, "same"), p, carried, job{How: diesOnce, Trace: newTrace(t)}))
}

func carryNothing(t *testing.T, _ *Kind, p *pool.Pool) {
	if got, err := pool.Apply(withWord(t, "word"), p, carried, job{}); err != nil || got != "\x00\x00\x00\x00 false" {
		t.Errorf("%q, %v", got, err)
	}
}

func resources(t *testing.T, _ *Kind, p *pool.Pool) {
	got, err := pool.Map(t.Context(), p, wordOf, numbers(20))
	if err != nil || len(got) != 20 {
		t.Fatalf("%d results, %v", len(got), err)
	}
	for _, g := range got {
		if g != "opened" {
			t.Errorf("the resource is %q", g)
		}
	}
}

func recycled(t *testing.T, _ *Kind, p *pool.Pool) {
	got, err := pool.Map(t.Context(), p, square.With(pool.TaskOptions{Chunk: 1}), numbers(50))
	if err != nil || len(got) != 50 {
		t.Errorf("%d results, %v", len(got), err)
	}
	if s := fullStats(t, p); s.Recycled == 0 || s.Killed != 0 {
		t.Errorf("%d workers were recycled, %d have died", s.Recycled, s.Killed)
	}
	wantIdle(t, p)
}

func resize(t *testing.T, k *Kind, p *pool.Pool) {
	err := p.Resize(workers + 1)
	if k.Elsewhere {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "decided by each place") {
			t.Errorf("the error is %v", err)
		}
	} else if err != nil {
		t.Error(err)
	} else {
		proctest.Eventually(t, proctest.Hang, func() bool { return len(p.Stats().Workers) == workers+1 }, "another worker")
	}
	wantIdle(t, p)
}

func restart(t *testing.T, k *Kind, p *pool.Pool) {
	err := p.Restart(t.Context())
	if k.NoRestart {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "places that serve") {
			t.Errorf("the error is %v", err)
		}
	} else if err != nil {
		t.Error(err)
	}
	wantIdle(t, p)
}
