package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// upTo is a policy of so many attempts in all, each after a time, that notes what it was asked.
func upTo(attempts int, after time.Duration, asked *[]int) func(int, error) (bool, time.Duration) {
	return func(attempt int, err error) (bool, time.Duration) {
		*asked = append(*asked, attempt)
		return attempt < attempts, after
	}
}

// A failed task runs again as its policy says, and gives up.
func TestRetry(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		a := newTally(t, 1)
		var asked []int
		task := tell.With(pool.TaskOptions{Retry: upTo(4, 0, &asked)})
		_, err := pool.Apply(t.Context(), p, task, counted{Tally: a, How: "fail"})
		if err == nil || err.Error() != "failed on purpose" || times(a, 0) != 4 || !slices.Equal(asked, []int{1, 2, 3, 4}) {
			t.Errorf("Apply: %v, has run %d times, asked %v", err, times(a, 0), asked)
		}
		asked = nil
		f, err := pool.ApplyAsync(t.Context(), p, task, counted{Tally: a, How: "fail"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Get(t.Context()); err == nil || times(a, 0) != 8 || len(asked) != 4 {
			t.Errorf("ApplyAsync: %v, has run %d times, asked %v", err, times(a, 0), asked)
		}
		asked = nil
		if _, err := pool.Map(t.Context(), p, task, []counted{{Tally: a, How: "fail"}}); err == nil || times(a, 0) != 12 || len(asked) != 4 {
			t.Errorf("Map: %v, has run %d times, asked %v", err, times(a, 0), asked)
		}
		if s := p.Stats(); s.Retried != 9 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
		wantNothingLeft(t, p)
	})
}

var errNotYet = errors.New("not yet")

func init() { pool.RegisterError("pool_test.errNotYet", errNotYet) }

// third succeeds the third time.
var third = pool.Define("third", func(_ context.Context, c counted) (int64, error) {
	if n := atomic.AddInt64(&c.Tally.Slice()[c.At], 1); n < 3 {
		return n, errNotYet
	}
	return int64(c.At), nil
})

// Retries of many tasks, each of which succeeds in the end, in order and after a time.
func TestRetrySucceeds(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		for _, after := range []time.Duration{0, 30 * time.Millisecond} { //clock: at least so long
			p := newPool(pool.Options{Workers: 2, Backlog: 300})
			a := newTally(t, 200)
			args := make([]counted, 200)
			for i := range args {
				args[i] = counted{Tally: a, At: i}
			}
			task := third.With(pool.TaskOptions{Retry: func(_ int, err error) (bool, time.Duration) { return errors.Is(err, errNotYet), after }})
			start := time.Now()
			got, err := pool.Map(t.Context(), p, task, args)
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range got {
				if n != int64(i) || times(a, i) != 3 {
					t.Fatalf("%d: %d, has run %d times", i, n, times(a, i))
				}
			}
			if d := time.Since(start); d < 2*after {
				t.Errorf("after %v", d)
			}
			wantNothingLeft(t, p)
		}
	})
}

// What waits for another attempt is dropped with its caller, and holds up neither Close nor
// Terminate.
func TestRetryDropped(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		a := newTally(t, 1)
		asked := make(chan struct{}, 10)
		task := tell.With(pool.TaskOptions{Retry: func(int, error) (bool, time.Duration) {
			asked <- struct{}{}
			return true, time.Hour
		}})
		ctx, cancel := context.WithCancel(t.Context())
		f, err := pool.ApplyAsync(ctx, p, task, counted{Tally: a, How: "fail"})
		if err != nil {
			t.Fatal(err)
		}
		<-asked
		wantSquare(t, 2)(pool.Apply(t.Context(), p, square, 2)) // the worker is free
		cancel()
		if _, err := f.Get(t.Context()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wantNothingLeft(t, p)
		g, err := pool.ApplyAsync(t.Context(), p, task, counted{Tally: a, How: "fail"})
		if err != nil {
			t.Fatal(err)
		}
		<-asked
		if err := p.Terminate(0); err != nil {
			t.Error(err)
		}
		if _, err := g.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
	})
}

// Close waits for a task that will run again.
func TestCloseWaitsForRetry(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		a := newTally(t, 1)
		task := third.With(pool.TaskOptions{Retry: func(int, error) (bool, time.Duration) { return true, 20 * time.Millisecond }})
		f, err := pool.ApplyAsync(t.Context(), p, task, counted{Tally: a})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Get(t.Context()); err != nil || times(a, 0) != 3 {
			t.Errorf("%v, has run %d times", err, times(a, 0))
		}
	})
}

// Attempts of the task come before those of the pool.
func TestAttempts(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2, Attempts: 2})
	for attempts, want := range map[int]int64{0: 2, 1: 1, 4: 4} {
		a := newTally(t, 1)
		_, err := pool.Apply(t.Context(), p, tell.With(pool.TaskOptions{Attempts: attempts}), counted{Tally: a, How: "kill"})
		var died *pool.WorkerDiedError
		if !errors.As(err, &died) || int64(died.Attempts) != want || times(a, 0) != want {
			t.Errorf("attempts %d: has run %d times, %v", attempts, times(a, 0), err)
		}
	}
	a := newTally(t, 1)
	if _, err := pool.Apply(t.Context(), p, tell, counted{Tally: a, How: "kill once"}); err != nil || times(a, 0) != 2 {
		t.Errorf("one that kills once: %v, has run %d times", err, times(a, 0))
	}
}
