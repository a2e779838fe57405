package pool_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/pool"
)

// The size of a pool whose tasks run elsewhere is decided there, and so are restarts where the
// engine says no more.
func TestElsewhereDecides(t *testing.T) {
	p := newBridged(t, pool.Options{Workers: 2})
	if err := p.Resize(3); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "decided by each place") {
		t.Errorf("resize: %v", err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Errorf("restart: %v", err)
	}
	silent := closed(t)(engine.New[*pool.Pool](t.Context(), pool.Options{}, func(ctx context.Context, deliver engine.Deliver) (engine.Engine, error) {
		l, err := newLoopback(ctx, pool.Options{Workers: 1}, deliver)
		return struct{ engine.Engine }{l}, err
	}))
	if err := silent.Restart(t.Context()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "places that serve") {
		t.Errorf("restart without a Restarter: %v", err)
	}
}

// An engine that does not start is the error of the constructor, and leaves nothing.
func TestElsewhereDoesNotStart(t *testing.T) {
	broken := errors.New("no hosts")
	p, err := engine.New[*pool.Pool](t.Context(), pool.Options{}, func(context.Context, engine.Deliver) (engine.Engine, error) { return nil, broken })
	if p != nil || !errors.Is(err, broken) {
		t.Errorf("%v, %v", p, err)
	}
}

// Where a caller ends before its task, the error says that it was elsewhere.
func TestElsewhereUnanswered(t *testing.T) {
	p := newBridged(t, pool.Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := pool.Apply(ctx, p, forever, 0)
		ended <- err
	}()
	proctest.Eventually(t, proctest.Hang, func() bool { s := p.Stats(); return s.Pending == 1 && s.Queued == 0 }, "it runs")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("%v", err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return p.Stats().Pending == 0 }, "its context has ended")
}

// A call from elsewhere is refused by a program that does not know its task, or knows another of
// that name; and when it cannot be.
func TestRunRefuses(t *testing.T) {
	p := newLocal(t, pool.Options{Workers: 1})
	done := func(r engine.Result) { t.Errorf("a result: %+v", r) }
	signature := task.ByID(task.IDOf("square")).Signature()
	var unknown *engine.UnknownError
	err := engine.Run(t.Context(), p, engine.Call{Task: "nonesuch", Count: 1}, done)
	if !errors.As(err, &unknown) || unknown.Differs || !strings.Contains(err.Error(), "not defined") {
		t.Errorf("unknown: %v", err)
	}
	err = engine.Run(t.Context(), p, engine.Call{Task: "square", Signature: signature + 1, Count: 1}, done)
	if !errors.As(err, &unknown) || !unknown.Differs || !strings.Contains(err.Error(), "other types") {
		t.Errorf("other types: %v", err)
	}
	for _, c := range []engine.Call{{Count: 0}, {Count: -1}, {Count: 1 << 30}, {Count: 1, HardDeadline: -1}} {
		c.Task, c.Signature = "square", signature
		if err := engine.Run(t.Context(), p, c, done); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// What a call from elsewhere has for an argument may be anything: it is the error of that call.
func TestRunGarbage(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		for _, name := range []string{"square", "tell", "blob"} {
			signature := task.ByID(task.IDOf(name)).Signature()
			for _, count := range []int{1, 2, 100} {
				for _, arg := range []string{"", "x", strings.Repeat("\xff", 8), strings.Repeat("\x80", 1000)} {
					results := make(chan engine.Result, 1)
					err := engine.Run(t.Context(), p, engine.Call{ID: 1, Task: name, Signature: signature, Count: count, Arg: []byte(arg)}, func(r engine.Result) {
						r.Bytes = nil // they are the pool's
						results <- r
					})
					if err != nil { // it has fewer arguments than it says
						if !strings.Contains(err.Error(), "cut off") {
							t.Errorf("%s with %d arguments in %d bytes: %v", name, count, len(arg), err)
						}
						continue
					}
					if r := <-results; r.ID != 1 || r.Err == nil && r.Kind == task.KindValue && !(name == "square" && len(arg) == 8) {
						t.Errorf("%s with %d arguments in %d bytes: %+v", name, count, len(arg), r)
					}
				}
			}
		}
		want := wantSquare(t, 3)
		want(pool.Apply(t.Context(), p, square, 3))
	})
}
