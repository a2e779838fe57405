package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A soft deadline ends the context of the task. The answer of the task counts.
func TestSoftDeadline(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		//clock: the time-out is the subject
		soft := pool.TaskOptions{SoftDeadline: 20 * time.Millisecond}
		start := time.Now()
		_, err := pool.Apply(t.Context(), p, nap.With(soft), time.Hour)
		//clock: at least so long
		if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d < soft.SoftDeadline {
			t.Errorf("after %v: %v", d, err)
		}
		if d, err := pool.Apply(t.Context(), p, deaf.With(soft), 60*time.Millisecond); err != nil || d != 60*time.Millisecond {
			t.Errorf("one that does not heed it: %v, %v", d, err)
		}
		if d, err := pool.Apply(t.Context(), p, nap, 60*time.Millisecond); err != nil || d != 60*time.Millisecond {
			t.Errorf("the same task without it: %v, %v", d, err)
		}
		timely := pool.TaskOptions{SoftDeadline: time.Hour}
		for range 100 {
			if _, err := pool.Apply(t.Context(), p, nap.With(timely), 0); err != nil {
				t.Fatal(err)
			}
		}
		if s := p.Stats(); s.Killed != 0 {
			t.Errorf("%d workers were killed", s.Killed)
		}
	})
}

// A hard deadline kills the worker; other tasks go on, and it is not tried again.
func TestHardDeadline(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		//clock: the time-out is the subject
		hard := pool.TaskOptions{HardDeadline: 100 * time.Millisecond}
		var others []*pool.Future[int64]
		for i := range int64(50) {
			f, err := pool.ApplyAsync(t.Context(), p, square, i)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, f)
		}
		for n := 1; n <= 3; n++ {
			start := time.Now()
			_, err := pool.Apply(t.Context(), p, deaf.With(hard), deafTime(t))
			var de *pool.DeadlineError
			if !errors.As(err, &de) || de.Task != "deaf" || de.Limit != hard.HardDeadline || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%#v", err)
			}
			if d := time.Since(start); d < hard.HardDeadline { //clock: at least so long
				t.Errorf("after %v", d)
			}
			wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
		}
		for i, f := range others {
			wantSquare(t, int64(i))(f.Get(t.Context()))
		}
		for range 100 { // it is not counted from the submission, and those in time are not touched
			if _, err := pool.Apply(t.Context(), p, nap.With(pool.TaskOptions{HardDeadline: time.Hour}), time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		s := p.Stats()
		if s.Killed != 3 || s.Retried != 0 {
			t.Errorf("%d workers were killed, %d tasks tried again", s.Killed, s.Retried)
		}
		wantNothingLeft(t, p)
	})
}

// Many tasks end just at their deadlines: each has one outcome.
func TestHardDeadlineRace(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		//clock: the time-out is the subject
		hard := pool.TaskOptions{HardDeadline: 5 * time.Millisecond, Attempts: -1}
		var tasks []*pool.Future[time.Duration]
		for i := range 60 {
			f, err := pool.ApplyAsync(t.Context(), p, deaf.With(hard), 4*time.Millisecond+time.Duration(i%5)*500*time.Microsecond)
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, f)
			// may be killed in its place
			g, err := pool.ApplyAsync(t.Context(), p, deaf.With(pool.TaskOptions{Attempts: -1}), time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			g.OnError(func(err error) { t.Error(fmt.Errorf("a task without a deadline: %w", err)) })
		}
		late := 0
		for _, f := range tasks {
			ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
			_, err := f.Get(ctx)
			var de *pool.DeadlineError
			if errors.As(err, &de) {
				late++
			} else if err != nil {
				t.Fatal(err)
			}
			cancel()
		}
		t.Logf("%d of %d were late", late, len(tasks))
		wantNothingLeft(t, p)
	})
}

// After a hard deadline the future has its outcome, although the goroutine of the task still runs
// when the pool ends.
func TestHardDeadlineThenEnd(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		//clock: the time-out is the subject
		hard := pool.TaskOptions{HardDeadline: 10 * time.Millisecond}
		f, err := pool.ApplyAsync(t.Context(), p, deaf.With(hard), deafTime(t))
		if err != nil {
			t.Fatal(err)
		}
		// keeps a goroutine waiting for futures
		g, err := pool.ApplyAsync(t.Context(), p, forever, 1)
		if err != nil {
			t.Fatal(err)
		}
		var de *pool.DeadlineError
		if _, err := f.Get(t.Context()); !errors.As(err, &de) {
			t.Error(err)
		}
		if err := p.Terminate(0); err != nil {
			t.Error(err)
		}
		if _, err := g.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
	})
}
