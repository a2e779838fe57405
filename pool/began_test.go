package pool_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A future says which worker has begun its task, and when, while it runs and afterwards.
func TestBegan(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		before := time.Now()
		gate := counter(t)
		f, err := pool.ApplyAsync(t.Context(), p, blobs, blob{ID: 1, Result: 10, Ended: gate, After: 1})
		if err != nil {
			t.Fatal(err)
		}
		var b pool.Began
		proctest.Eventually(t, time.Minute, func() (ok bool) {
			b, ok = f.Began()
			return ok
		}, "it has begun")
		waits, err := pool.ApplyAsync(t.Context(), p, square, 2)
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := waits.Began(); ok {
			t.Errorf("what waits: %+v", b)
		}
		want := pool.Began{Worker: "Worker-1", PID: workerPID(t, p, 0), At: b.At}
		if b != want || b.At.Before(before.Truncate(0)) || b.At.After(time.Now()) {
			t.Errorf("%+v, not %+v", b, want)
		}
		gate.Add(1)
		got, err := f.Get(t.Context())
		wantBlob(t, 1, 10, got, err)
		if after, ok := f.Began(); !ok || after != b {
			t.Errorf("afterwards: %+v, %v", after, ok)
		}
		wantSquare(t, 2)(waits.Get(t.Context()))
		if b, ok := waits.Began(); !ok || b.Worker != "Worker-1" {
			t.Errorf("the second: %+v, %v", b, ok)
		}
		if _, ok := pool.MapAsync(t.Context(), p, square, []int64{1}).Began(); ok {
			t.Error("MapAsync has begun a task")
		}
	})
}

// The worker that a task has killed is the one that has begun it.
func TestBeganByTheDead(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Attempts: 1})
	pid := workerPID(t, p, 0)
	f, err := pool.ApplyAsync(t.Context(), p, forever, 0)
	if err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, time.Minute, func() bool { _, ok := f.Began(); return ok }, "it has begun")
	syscall.Kill(pid, syscall.SIGKILL)
	var we *pool.WorkerDiedError
	if _, err := f.Get(t.Context()); !errors.As(err, &we) {
		t.Errorf("%v", err)
	}
	if b, ok := f.Began(); !ok || b.Worker != "Worker-1" || b.PID != pid {
		t.Errorf("%+v, %v", b, ok)
	}
}

// When its context ends, Apply says how far the task has come.
func TestApplySaysWhereItWas(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1, Backlog: 2, Memory: memory, Label: "shop"})
		gate := counter(t)
		defer gate.Add(1)
		var stop []func()
		apply := func(arg blob) <-chan error {
			ctx, cancel := context.WithCancelCause(t.Context())
			stop = append(stop, func() { cancel(errInput) })
			ended := make(chan error, 1)
			go func() {
				_, err := pool.Apply(ctx, p, blobs, arg)
				ended <- err
			}()
			return ended
		}
		want := func(ended <-chan error, text string) {
			t.Helper()
			stop[len(stop)-1]()
			stop = stop[:len(stop)-1]
			if err := <-ended; !errors.Is(err, errInput) || !strings.HasPrefix(err.Error(), `pool: task "blob": `+text) {
				t.Errorf("%v, not %s", err, text)
			}
		}
		state := func(pending, queued int) {
			t.Helper()
			proctest.Eventually(t, time.Minute, func() bool { s := p.Stats(); return s.Pending == pending && s.Queued == queued }, "tasks wait and run")
		}
		runs := apply(blob{ID: 1, Arg: blobArg(1, memory*3/4), Ended: gate, After: 1})
		state(1, 0)
		lacks := apply(blob{Arg: make([]byte, memory/2)})
		proctest.Eventually(t, time.Minute, func() bool { return pool.CallersWithoutRoom(p) == 1 }, "it waits for room")
		want(lacks, "its argument waits for room in Options.Memory")
		waits := apply(blob{})
		state(2, 1)
		full := apply(blob{})
		proctest.Eventually(t, time.Minute, func() bool { return pool.CallersWithoutSlot(p) == 1 }, "the backlog is full")
		want(full, "the Backlog is full")
		want(waits, "it is one of 1 that wait for one of 1 workers")
		want(runs, "it runs in shop/Worker-1")
	})
}
