package pool_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// refusedStarts counts starts that the system has refused.
type refusedStarts struct {
	slog.Handler
	n atomic.Int64
}

func (r *refusedStarts) Enabled(context.Context, slog.Level) bool { return true }

func (r *refusedStarts) Handle(_ context.Context, record slog.Record) error {
	if strings.Contains(record.Message, "cannot be started") {
		r.n.Add(1)
	}
	return nil
}

// useUp takes all descriptors that there are, and returns what gives them back.
func useUp() (giveBack func()) {
	needs(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 4096}))
	var open []*os.File
	for {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		open = append(open, f)
	}
	return func() {
		for _, f := range open {
			f.Close()
		}
	}
}

func needs(err error) {
	if err != nil {
		panic(err)
	}
}

// waitFor waits for a condition in a child process, which its test bounds.
func waitFor(cond func() bool) {
	for !cond() {
		proctest.Stagger(2 * time.Millisecond)
	}
}

var shortOfDescriptors = proctest.Register("short of descriptors", func(args []string) {
	var r refusedStarts
	pool.LogTo(&r)
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 2, Attempts: -1, MaxFailedStarts: -1})
	needs(err)
	waitFor(func() bool { return p.Stats().Workers[0].PID != 0 && p.Stats().Workers[1].PID != 0 })
	workers := p.Stats().Workers
	giveBack := useUp()
	for _, w := range workers[:len(args[0])] {
		needs(syscall.Kill(w.PID, syscall.SIGKILL))
	}
	var futures []*pool.Future[int64]
	for i := range int64(100) {
		f, err := pool.ApplyAsync(ctx, p, square, i)
		needs(err)
		futures = append(futures, f)
	}
	waitFor(func() bool { return r.n.Load() >= 3 })
	if args[0] == "1" { // the other one is at work meanwhile
		for _, f := range futures {
			_, err := f.Get(ctx)
			needs(err)
		}
	}
	giveBack()
	for i, f := range futures {
		if n, err := f.Get(ctx); n != int64(i*i) || err != nil {
			proctest.Say("%d: %d, %v", i, n, err)
			return
		}
	}
	waitFor(func() bool { return p.Stats().Workers[0].PID != 0 && p.Stats().Workers[1].PID != 0 })
	needs(p.Close())
	proctest.Say("good")
})

// Workers are killed while there is no descriptor for new ones: no task is lost, and they are
// replaced when there is.
func TestStartShortOfDescriptors(t *testing.T) {
	for _, dead := range []string{"1", "22"} { // as many as letters
		child := proctest.Start(t, shortOfDescriptors, dead)
		child.Expect("good")
		child.WaitOK()
	}
}

var neverStarts = proctest.Register("never starts", func([]string) {
	p, err := pool.New(context.Background(), pool.Options{Workers: 2, MaxFailedStarts: 3})
	needs(err)
	waitFor(func() bool { w := p.Stats().Workers; return w[0].PID != 0 && w[1].PID != 0 })
	// No more descriptors, whatever the workers give back when they die.
	needs(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: 4096}))
	for _, w := range p.Stats().Workers {
		if w.PID != 0 {
			syscall.Kill(w.PID, syscall.SIGKILL)
		}
	}
	_, err = pool.Apply(context.Background(), p, square, 3)
	needs(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 4096}))
	p.Close()
	if errors.Is(err, syscall.EMFILE) && strings.Contains(err.Error(), "start a worker") {
		proctest.Say("good")
	} else {
		proctest.Say("%v", err)
	}
})

// MaxFailedStarts ends a pool that has no worker any more, and gets none.
func TestStartBound(t *testing.T) {
	child := proctest.Start(t, neverStarts)
	child.Expect("good")
	child.WaitOK()

	d := newEventLog(t)
	t.Setenv(suicideEnv, "1000000")
	_, err := pool.New(t.Context(), pool.Options{Workers: 1, MaxFailedStarts: 2, Resources: []pool.AnyResource{suicidal}})
	if err == nil || !strings.Contains(err.Error(), "3 workers in a row were killed before they took tasks") || d.count("born") != 3 {
		t.Errorf("%d workers were started: %v", d.count("born"), err)
	}
}
