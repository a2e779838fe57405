package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// useResources has a task use its resources, and then do what the argument says.
var useResources = pool.Define("use resources", func(ctx context.Context, how string) (string, error) {
	got := firstResource.Get(ctx) + ", " + thirdResource.Get(ctx)
	if how == "wait" {
		note("waits")
		<-ctx.Done()
	}
	return got, explode(how)
})

var errNoResource = errors.New("no such resource")

func init() { pool.RegisterError("no such resource", errNoResource) }

// refuseEnv names a file. While it is there, the third of three resources does not open.
const refuseEnv = "SHMKIT_TEST_REFUSE"

var moody = pool.DefineResource("moody", func(context.Context, struct{}) (int, func() error, error) {
	if _, err := os.Stat(os.Getenv(refuseEnv)); err == nil {
		return 0, nil, fmt.Errorf("today: %w", errNoResource)
	}
	return 7, nil, nil
})

// Resources are open before the first task and closed once, in the opposite order, however their
// worker comes to its end, unless it is killed; OnWorkerExit is called once for each end, with the
// reason.
func TestResourcesOfPool(t *testing.T) {
	for name, test := range map[string]struct {
		options pool.Options
		end     func(t *testing.T, p *pool.Pool, d *eventLog)
		reasons map[string]int
		lives   int
	}{
		"Close": {pool.Options{Workers: 2}, func(*testing.T, *pool.Pool, *eventLog) {}, map[string]int{"closed": 2}, 2},
		"panic": {pool.Options{Workers: 1}, func(t *testing.T, p *pool.Pool, _ *eventLog) {
			for _, how := range []string{"panic", "goexit", "error", "nil"} {
				if _, err := pool.Apply(t.Context(), p, useResources, how); err == nil {
					t.Error(how)
				}
			}
		}, map[string]int{"closed": 1}, 1},
		"recycling": {pool.Options{Workers: 1, MaxTasksPerWorker: 2}, func(t *testing.T, p *pool.Pool, _ *eventLog) {
			for range 6 {
				if _, err := pool.Apply(t.Context(), p, useResources, ""); err != nil {
					t.Error(err)
				}
			}
		}, map[string]int{"closed": 1, "recycled": 3}, 4}, // seven tasks with the first
		"Resize": {pool.Options{Workers: 3}, func(t *testing.T, p *pool.Pool, d *eventLog) {
			if err := p.Resize(1); err != nil {
				t.Error(err)
			}
			proctest.Eventually(t, proctest.Hang, func() bool { return d.count("close first") == 2 }, "two workers close")
		}, map[string]int{"retired": 2, "closed": 1}, 3},
		//clock: the time-out is the subject
		"idle": {pool.Options{Workers: 2, IdleTimeout: time.Second}, func(t *testing.T, p *pool.Pool, d *eventLog) {
			proctest.Eventually(t, proctest.Hang, func() bool { return d.count("close first") == 2 }, "both workers close")
			proctest.Eventually(t, proctest.Hang, func() bool { return awake(p) == 0 }, "Close finds them asleep")
		}, map[string]int{"idle": 2}, 2},
		"Terminate": {pool.Options{Workers: 2}, func(t *testing.T, p *pool.Pool, d *eventLog) {
			f, err := pool.ApplyAsync(t.Context(), p, useResources, "wait")
			if err != nil {
				t.Fatal(err)
			}
			proctest.Eventually(t, proctest.Hang, func() bool { return d.count("waits") == 1 }, "the task runs")
			if err := p.Terminate(proctest.Hang); err != nil {
				t.Error(err)
			}
			// it has finished within the grace
			if _, err := f.Get(t.Context()); err != nil && !errors.Is(err, pool.ErrClosed) {
				t.Error(err)
			}
		}, map[string]int{"closed": 2}, 2},
		"SIGTERM": {pool.Options{Workers: 1}, func(t *testing.T, p *pool.Pool, d *eventLog) {
			proctest.Signal(t, workerPID(t, p, 0), syscall.SIGTERM)
			proctest.Eventually(t, proctest.Hang, func() bool { return d.count("close first") == 1 }, "the worker closes")
			if _, err := pool.Apply(t.Context(), p, useResources, ""); err != nil {
				t.Error(err)
			}
		}, map[string]int{"died": 1, "closed": 1}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := newEventLog(t)
			var w witness
			o := test.options
			o.Resources, o.OnWorkerExit = threeResources, w.note
			p := newPool(t, o)
			if n := d.count("open third"); n != o.Workers {
				t.Errorf("%d workers have opened their resources", n)
			}
			got, err := pool.Apply(t.Context(), p, useResources, "")
			if err != nil || !strings.HasPrefix(got, "first of ") || !strings.Contains(got, ", third of ") {
				t.Errorf("%q, %v", got, err)
			}
			test.end(t, p, d)
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if n := d.lives(); n != test.lives {
				t.Errorf("%d workers had resources, not %d", n, test.lives)
			}
			if got := fmt.Sprint(w.reasons()); got != fmt.Sprint(test.reasons) {
				t.Errorf("ends: %v, not %v", got, test.reasons)
			}
			for _, e := range w.all() {
				if e.ExitCode != 0 || e.Signal != "" || !strings.HasPrefix(e.Name, "Worker-") {
					t.Errorf("%+v", e)
				}
			}
			w.gone(t)
		})
	}
}

// A death of the worker itself leaves its resources open. OnWorkerExit tells of it.
func TestResourcesOfDeadWorker(t *testing.T) {
	for how, want := range map[string]pool.WorkerExit{
		"kill": {Reason: "died", ExitCode: -9, Signal: "killed"},
		"exit": {Reason: "died", ExitCode: 3, Stderr: "last words\n"},
	} {
		t.Run(how, func(t *testing.T) {
			d := newEventLog(t)
			var w witness
			p := newPool(t, pool.Options{Workers: 1, Attempts: 1, Resources: threeResources, OnWorkerExit: w.note})
			var we *pool.WorkerDiedError
			if _, err := pool.Apply(t.Context(), p, useResources, how); !errors.As(err, &we) {
				t.Fatal(err)
			}
			if _, err := pool.Apply(t.Context(), p, useResources, ""); err != nil {
				t.Error(err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			exits := w.all()
			want.Name, want.PID = "Worker-1", we.PID
			if len(exits) != 2 || exits[0] != want || exits[1].Reason != "closed" {
				t.Errorf("%+v", exits)
			}
			if n := len(d.read()[fmt.Sprint(we.PID)]); n != 3 {
				t.Errorf("the dead worker has written %d events, not that it has opened three resources", n)
			}
			if n := d.count("close first"); n != 1 {
				t.Errorf("%d workers have closed", n)
			}
		})
	}
}

// A resource that does not open fails New, or later the pool, with that error; no worker is started
// again and again.
func TestResourceDoesNotOpenInPool(t *testing.T) {
	refuse := filepath.Join(t.TempDir(), "refuse")
	t.Setenv(refuseEnv, refuse)
	resources := append([]pool.AnyResource{}, threeResources...)
	resources = append(resources, moody)
	check := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, errNoResource) || !strings.Contains(err.Error(), `resource "moody": today: no such resource`) {
			t.Errorf("%v", err)
		}
	}
	write := func(t *testing.T) {
		t.Helper()
		if err := os.WriteFile(refuse, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, cause := range map[string]func(t *testing.T, p *pool.Pool){
		"replacement": func(t *testing.T, p *pool.Pool) { proctest.Signal(t, workerPID(t, p, 0), syscall.SIGKILL) },
		"later worker": func(t *testing.T, p *pool.Pool) {
			if err := p.Resize(3); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(refuse)
			d := newEventLog(t)
			var w witness
			p := newPool(t, pool.Options{Workers: 2, Resources: resources, OnWorkerExit: w.note})
			write(t)
			f, err := pool.ApplyAsync(t.Context(), p, forever, 0)
			if err != nil {
				t.Fatal(err)
			}
			cause(t, p)
			_, err = f.Get(t.Context())
			check(t, err)
			_, err = pool.Apply(t.Context(), p, square, 1)
			check(t, err)
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if n := len(w.all()); n != 3 {
				t.Errorf("%d workers have ended", n)
			}
			// The others have closed what they had, and so has the one that could not open all.
			if open, closed := d.count("open first"), d.count("close first"); open != 3 || closed != 3-w.reasons()["died"] {
				t.Errorf("%d have opened, %d have closed, ends: %v", open, closed, w.reasons())
			}
		})
	}
	t.Run("New", func(t *testing.T) {
		write(t)
		d := newEventLog(t)
		var w witness
		p, err := pool.New(context.Background(), pool.Options{Workers: 3, Resources: resources, OnWorkerExit: w.note})
		if p != nil {
			t.Error("there is a pool")
		}
		check(t, err)
		if n := len(w.all()); n > 3 {
			t.Errorf("%d workers have ended", n)
		}
		if open, closed := d.count("open third"), d.count("close third"); open == 0 || open != closed {
			t.Errorf("%d have opened, %d have closed", open, closed)
		}
		w.gone(t)
	})
}

// A pool of goroutines has resources, too, one set for each of them.
func TestResourcesOfLocalPool(t *testing.T) {
	d := newEventLog(t)
	p, err := pool.NewLocal(context.Background(), pool.Options{Workers: 1, Resources: threeResources, MaxTasksPerWorker: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"", "panic", "goexit"} {
		if _, err := pool.Apply(t.Context(), p, useResources, how); (err == nil) != (how == "") {
			t.Error(how, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	life := "open first open second open third close third close second close first"
	if got := strings.Join(d.read()[fmt.Sprint(os.Getpid())], " "); got != life+" "+life {
		t.Errorf("%q", got)
	}
}
