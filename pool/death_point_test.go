//go:build crashtest

package pool_test

import (
	"bytes"
	"context"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A trap kills the worker that sets it when it passes a point of that name, after so many passes
// that do not count.
type trap struct {
	Point string
	Skip  int64
}

var setTrap = pool.Define("set trap", func(_ context.Context, a trap) (int64, error) {
	var passed atomic.Int64
	crashpoint.Trace(func(name string) {
		if name == a.Point && passed.Add(1) > a.Skip {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	return 0, nil
})

// A counted parcel leaves a byte in a file each time that it is wrapped.
type countedParcel struct {
	Path   string
	Parcel parcel
}

var wrapCounted = pool.Define("wrap counted", func(_ context.Context, a countedParcel) ([]byte, error) {
	f, err := os.OpenFile(a.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Write([]byte("x")); err != nil {
		return nil, err
	}
	return wrapped(a.Parcel), nil
})

// A49 in transit: the worker is killed at each step of a task. It runs as often as it must, and has
// its result once. The task that sets the trap passes the points after its own run once.
func TestDeathInTransit(t *testing.T) {
	for _, test := range []struct {
		point         string
		skip          int64
		runs, retried int
	}{
		{"pool.got", 0, 1, 0},      // no worker has begun it
		{"pool.running", 0, 1, 1},  // counts as begun
		{"pool.held", 1, 2, 1},     // the result has a place, which the parent does not know
		{"block.given", 0, 2, 1},   // the result is the parent's, which does not know it
		{"pool.finished", 1, 2, 1}, // the result is complete, the slot does not say so
		{"pool.done", 1, 1, 0},     // the message to the parent is missing
	} {
		for _, size := range []int64{10, 8000} {
			if size == 10 && test.point == "block.given" {
				continue
			}
			t.Run(test.point, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
				defer cancel()
				p := newPool(t, pool.Options{Workers: 1, Attempts: 2})
				if _, err := pool.Apply(ctx, p, setTrap, trap{test.point, test.skip}); err != nil {
					t.Fatal(err)
				}
				a := countedParcel{t.TempDir() + "/runs", parcel{7, size}}
				b, err := pool.Apply(ctx, p, wrapCounted, a)
				if err != nil || !bytes.Equal(b, wrapped(a.Parcel)) {
					t.Errorf("%d bytes, %v", len(b), err)
				}
				runs, err := os.ReadFile(a.Path)
				if err != nil || len(runs) != test.runs {
					t.Errorf("it has run %d times, not %d: %v", len(runs), test.runs, err)
				}
				chaosMap(t, ctx, p, 100)
				if s := p.Stats(); s.Killed != 1 || s.Retried != test.retried || s.Pending != 0 {
					t.Errorf("%d workers died, %d retries, %d tasks are left", s.Killed, s.Retried, s.Pending)
				}
				wantNothingLeft(t, p)
			})
		}
	}
}

var hangForReport = pool.Define("hang for a report", func(context.Context, int64) (int64, error) { select {} })

// The worker is killed while it leaves the stack of a late task to its parent: no block of shared
// memory is left.
func TestDeathInReport(t *testing.T) {
	for _, point := range []string{"pool.reported", "block.given", "pool.answering"} {
		p := newPool(t, pool.Options{Workers: 1, Attempts: 1})
		if _, err := pool.Apply(t.Context(), p, setTrap, trap{Point: point}); err != nil {
			t.Fatal(err)
		}
		//clock: the deadline is the subject
		late := hangForReport.With(pool.TaskOptions{HardDeadline: time.Millisecond})
		if _, err := pool.Apply(t.Context(), p, late, 0); err == nil {
			t.Errorf("%s: the task returns", point)
		}
		if n, err := pool.Apply(t.Context(), p, square, 3); n != 9 || err != nil {
			t.Errorf("%s: %d, %v", point, n, err)
		}
		wantNothingLeft(t, p)
		if s := p.Stats(); s.Killed != 1 {
			t.Errorf("%s: %d workers died", point, s.Killed)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
