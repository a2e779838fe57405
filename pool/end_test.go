package pool_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// refusals checks that a closed pool takes nothing, of any size.
func refusals(t *testing.T, p *pool.Pool) {
	t.Helper()
	check := func(how string, err error) {
		t.Helper()
		if !errors.Is(err, pool.ErrClosed) {
			t.Errorf("%s: %v", how, err)
		}
	}
	_, err := pool.Apply(t.Context(), p, square, 1)
	check("Apply", err)
	_, err = pool.Apply(t.Context(), p, echoBytes, make([]byte, 100000))
	check("Apply of much", err)
	_, err = pool.ApplyAsync(t.Context(), p, square, 1)
	check("ApplyAsync", err)
	_, err = pool.Map(t.Context(), p, square, []int64{1})
	check("Map", err)
	_, err = pool.MapAsync(t.Context(), p, square, []int64{1}).Get(t.Context())
	check("MapAsync", err)
	n := 0
	for _, err := range pool.IMap(t.Context(), p, echoBytes, slices.Values([][]byte{make([]byte, 100000), nil})) {
		check("IMap", err)
		n++
	}
	if n != 1 {
		t.Errorf("IMap yields %d errors", n)
	}
}

// A48: close, then submit: refused.
func TestClosed(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		wantSquare(t, 2)(pool.Apply(t.Context(), p, square, 2))
		for range 3 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			refusals(t, p)
		}
		q := newPool(pool.Options{Workers: 2})
		for range 3 {
			if err := q.Terminate(0); err != nil {
				t.Error(err)
			}
			refusals(t, q)
		}
	})
}

// A48, early close: a MapAsync that runs is finished, and nothing new is taken meanwhile.
func TestEarlyClose(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Backlog: 4})
		gate := counter(t)
		args := make([]blob, 40)
		args[0] = blob{Ended: gate, After: 1}
		f := pool.MapAsync(t.Context(), p, blobs.With(pool.TaskOptions{Chunk: 1}), args)
		closed := make(chan error, 1)
		go func() { closed <- p.Close() }()
		proctest.Eventually(t, proctest.Hang, func() bool { _, err := pool.Apply(t.Context(), p, square, 1); return errors.Is(err, pool.ErrClosed) }, "the pool is closing")
		if f.Ready() {
			t.Error("it is ready before its time")
		}
		gate.Add(1)
		if got, err := f.Get(t.Context()); err != nil || len(got) != 40 {
			t.Errorf("%v, %v", got, err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// A48: terminate with 10,000 queued tasks.
func TestTerminateWithManyQueued(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Backlog: 10100})
		var all []*pool.Future[int64]
		for range 10000 {
			f, err := pool.ApplyAsync(t.Context(), p, forever, 0)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		mapped := pool.MapAsync(t.Context(), p, forever, make([]int64, 1000))
		if err := p.Terminate(0); err != nil {
			t.Error(err)
		}
		for i, f := range all {
			if _, err := f.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
				t.Fatalf("%d: %v", i, err)
			}
		}
		if _, err := mapped.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
	})
}

// With a grace a task that heeds its context may finish what it is at; one that does not is killed,
// or left alone, after it.
func TestTerminateGrace(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		a := newTally(t, 2)
		if _, err := pool.ApplyAsync(t.Context(), p, tidy, counted{Tally: a}); err != nil {
			t.Fatal(err)
		}
		proctest.Eventually(t, proctest.Hang, func() bool { return times(a, 0) == 1 }, "it runs")
		start := time.Now()
		if err := p.Terminate(proctest.Hang); err != nil {
			t.Error(err)
		}
		//clock: at least so long
		if d := time.Since(start); times(a, 1) != 1 || d < 50*time.Millisecond {
			t.Errorf("after %v it has tidied up %d times", d, times(a, 1))
		}
		q := newPool(pool.Options{Workers: 1})
		f, err := pool.ApplyAsync(t.Context(), q, deaf, deafTime(t))
		if err != nil {
			t.Fatal(err)
		}
		proctest.Eventually(t, proctest.Hang, func() bool { s := q.Stats(); return s.Pending == 1 && s.Queued == 0 }, "it runs")
		start = time.Now()
		//clock: the time-out is the subject
		if err := q.Terminate(100 * time.Millisecond); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < 100*time.Millisecond { //clock: at least so long
			t.Errorf("after %v", d)
		}
		if _, err := f.Get(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Error(err)
		}
	})
}

// The end of the context of New terminates the pool, with its cause.
func TestContextOfNew(t *testing.T) {
	for name, make := range map[string]func(context.Context, pool.Options) (*pool.Pool, error){"New": pool.New, "NewLocal": pool.NewLocal} {
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		p, err := make(ctx, pool.Options{Workers: 2, Grace: proctest.Hang})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer cancel(reason)
			proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending-s.Queued == 2 }, "two tasks run")
		}()
		if _, err := pool.Map(t.Context(), p, forever, []int64{1, 2, 3}); !errors.Is(err, reason) {
			t.Errorf("%s: %v", name, err)
		}
		wait, stop := context.WithTimeout(t.Context(), proctest.Hang)
		if err := p.Join(wait); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		stop()
		if _, err := make(ctx, pool.Options{Workers: 2}); !errors.Is(err, reason) {
			t.Errorf("%s with a context that has ended: %v", name, err)
		}
	}
}

// Join waits for the end, and ends nothing.
func TestJoin(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		//clock: that the time-out ends it is the subject
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := p.Join(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		wantSquare(t, 2)(pool.Apply(t.Context(), p, square, 2))
		joined := proctest.MustBlock(t, func() {
			if err := p.Join(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		<-joined
		if err := p.Join(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A48: sizes that cannot be.
func TestOptions(t *testing.T) {
	for _, o := range []pool.Options{{Workers: -1}, {Workers: 100000}, {Backlog: -1}, {Workers: 8, Backlog: 7}, {Memory: -1}, {Memory: 1},
		{MaxTasksPerWorker: -1}, {RecycleMemory: -1}, {MemoryLimit: -1}, {IdleTimeout: -1}, {Grace: -1}, {Resources: []pool.AnyResource{nil}}} {
		for name, make := range map[string]func(context.Context, pool.Options) (*pool.Pool, error){"New": pool.New, "NewLocal": pool.NewLocal} {
			if name == "NewLocal" && (o.RecycleMemory < 0 || o.MemoryLimit < 0) {
				continue // they mean nothing there
			}
			if p, err := make(t.Context(), o); err == nil {
				p.Close()
				t.Errorf("%s(%+v): no error", name, o)
			}
		}
	}
}
