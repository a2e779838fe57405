package pooltest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

var failures = []behaviour{
	{name: "ErrorOfTaskComesWithTextAndStack", check: taskError},
	{name: "RegisteredErrorIsFound", check: registered},
	{name: "PanicIsAnError", check: panicIsAnError},
	{name: "RetryDecidesWhatRunsAgain", check: retry},
	{name: "RetryGoesOnUntilSuccess", check: retrySucceeds},
}

func taskError(t *testing.T, _ *Kind, p *pool.Pool) {
	_, err := pool.Apply(t.Context(), p, do, job{How: fails})
	var failed *pool.TaskError
	if !errors.As(err, &failed) || failed.Task != do.Name() || failed.Text != "failed on purpose" || !strings.Contains(failed.Stack, "goroutine ") {
		t.Errorf("the error is %#v", err)
	}
	wantIdle(t, p)
}

func registered(t *testing.T, _ *Kind, p *pool.Pool) {
	_, err := pool.Apply(t.Context(), p, do, job{How: failsKnown})
	if !errors.Is(err, errKnown) || err.Error() != "outer: "+errKnown.Error() {
		t.Errorf("the error is %#v", err)
	}
}

func panicIsAnError(t *testing.T, _ *Kind, p *pool.Pool) {
	for how, value := range map[string]string{panics: "ouch", exits: "runtime.Goexit was called"} {
		_, err := pool.Apply(t.Context(), p, do, job{How: how})
		var panicked *pool.PanicError
		if !errors.As(err, &panicked) || panicked.Task != do.Name() || panicked.Value != value || !strings.Contains(panicked.Stack, "pooltest.") {
			t.Errorf("%s: %#v", how, err)
		}
	}
	if s := fullStats(t, p); s.Killed != 0 {
		t.Errorf("%d workers have died", s.Killed)
	}
	wantIdle(t, p)
}

func retry(t *testing.T, _ *Kind, p *pool.Pool) {
	trace := newTrace(t)
	var asked []int
	task := do.With(pool.TaskOptions{Retry: func(attempt int, err error) (again bool, _ time.Duration) {
		asked = append(asked, attempt)
		return attempt < 4, 0
	}})
	var failed *pool.TaskError
	_, err := pool.Apply(t.Context(), p, task, job{How: fails, Trace: trace})
	if !errors.As(err, &failed) || runs(t, trace) != 4 || !slices.Equal(asked, []int{1, 2, 3, 4}) {
		t.Errorf("%v; it has run %d times, asked %v", err, runs(t, trace), asked)
	}
	if s := fullStats(t, p); s.Retried != 3 {
		t.Errorf("%d attempts after the first ones", s.Retried)
	}
	wantIdle(t, p)
}

func retrySucceeds(t *testing.T, _ *Kind, p *pool.Pool) {
	var jobs []job
	for i := range int64(20) {
		jobs = append(jobs, job{N: i, How: failsTwice, Trace: newTrace(t)})
	}
	task := do.With(pool.TaskOptions{Retry: func(_ int, err error) (bool, time.Duration) { return errors.Is(err, errKnown), 0 }})
	got, err := pool.Map(t.Context(), p, task, jobs)
	if err != nil || !slices.Equal(got, numbers(20)) {
		t.Errorf("%v, %v", got, err)
	}
	for i, j := range jobs {
		if n := runs(t, j.Trace); n != 3 {
			t.Errorf("task %d has run %d times", i, n)
		}
	}
	wantIdle(t, p)
}
