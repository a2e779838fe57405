//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newWaitGroup(t testing.TB, seg *shm.Segment, name string, undo bool) *shmsync.WaitGroup {
	t.Helper()
	g, err := shmsync.NewWaitGroup(seg, name, shmsync.WaitGroupOptions{Undo: undo})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// waitWithin waits as a test does that would rather fail than wait for ever.
func waitWithin(g *shmsync.WaitGroup, d time.Duration) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return g.Wait(ctx)
}

func wantCount(t testing.TB, g *shmsync.WaitGroup, want int64) {
	t.Helper()
	if got := g.Count(); got != want {
		t.Fatalf("the count is %d, want %d", got, want)
	}
}

// waitgroup-agent: SEGMENT NAME. It obeys orders, each a verb and a number: add, done, wait, timed
// (a wait for at most soon), count, close, exit.
var waitGroupAgent = proctest.Register("waitgroup-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	g, err := shmsync.OpenWaitGroup(seg, args[1], shmsync.WaitGroupOptions{})
	must(err)
	proctest.Say("ready")
	for {
		var verb string
		var n int64
		fmt.Sscan(proctest.Hear(), &verb, &n)
		switch verb {
		case "add":
			err = g.Add(n)
		case "done":
			err = g.Done()
		case "wait":
			err = g.Wait(background)
		case "timed":
			err = waitWithin(g, soon)
		case "count":
			proctest.Say("%d", g.Count())
			continue
		case "close":
			err = seg.Close()
		case "exit":
			return
		}
		if errors.Is(err, shmsync.ErrNegative) {
			proctest.Say("negative")
		} else {
			proctest.Say("%s", verdict(err))
		}
	}
})

func startWaitGroupAgent(t testing.TB, seg *shm.Segment) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, waitGroupAgent, seg.Path(), "g")
	c.Expect("ready")
	return c
}

// A wait group counts across processes, and lets all waiters go when it comes to 0.
func TestWaitGroupAcrossProcesses(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g := newWaitGroup(t, seg, "g", undo)
		wantErr(t, "nothing to wait for", g.Wait(background), nil)
		a, b := startWaitGroupAgent(t, seg), startWaitGroupAgent(t, seg)
		told(t, a, "add 2", "ok")
		wantErr(t, "add", g.Add(1), nil)
		told(t, b, "count 0", "3")
		b.Send("timed 0")
		//clock: the time-out is the subject
		wantErr(t, "wait with a deadline", waitWithin(g, 10*time.Millisecond), context.DeadlineExceeded)
		var errs [3]error
		var waiters []<-chan struct{}
		for i := range errs {
			waiters = append(waiters, proctest.MustBlock(t, func() { errs[i] = g.Wait(background) }))
		}
		told(t, a, "done 0", "ok")
		wantErr(t, "done", g.Done(), nil)
		wantCount(t, g, 1)
		told(t, a, "add -1", "ok")
		for i, waiter := range waiters {
			<-waiter
			wantErr(t, "a waiter", errs[i], nil)
		}
		b.Expect("ok")
		wantCount(t, g, 0)
		a.Kill()
		b.Kill()
	})
}

// What cannot be done is not, and changes nothing.
func TestWaitGroupNegative(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g := newWaitGroup(t, seg, "g", undo)
		wantErr(t, "done, when nothing was added", g.Done(), shmsync.ErrNegative)
		wantErr(t, "add", g.Add(2), nil)
		for _, n := range []int64{-3, math.MinInt64} {
			wantErr(t, "more than was added", g.Add(n), shmsync.ErrNegative)
		}
		for _, n := range []int64{math.MaxUint32 - 1, math.MaxInt64} {
			wantErr(t, "more than can be counted", g.Add(n), fs.ErrInvalid)
		}
		wantErr(t, "nothing", g.Add(0), nil)
		wantCount(t, g, 2)
		c := startWaitGroupAgent(t, seg)
		if undo {
			told(t, c, "done 0", "negative")
			told(t, c, "add 1", "ok")
			told(t, c, "add -2", "negative")
			told(t, c, "done 0", "ok")
			wantErr(t, "done", g.Done(), nil)
		} else {
			told(t, c, "done 0", "ok")
		}
		wantErr(t, "done", g.Done(), nil)
		wantCount(t, g, 0)
		c.Kill()
	})
}

// A waiter of one round returns even if the next has begun before it looked.
func TestWaitGroupReused(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g := newWaitGroup(t, seg, "g", undo)
		c := startWaitGroupAgent(t, seg)
		wantErr(t, "add", g.Add(1), nil)
		for range 30 {
			c.Send("wait 0")
			awaitBlocked(t, seg, c.PID())
			c.Signal(syscall.SIGSTOP)
			c.WaitStopped()
			wantErr(t, "done", g.Done(), nil)
			wantErr(t, "add", g.Add(1), nil)
			c.Signal(syscall.SIGCONT)
			c.Expect("ok")
			wantCount(t, g, 1)
		}
		wantErr(t, "done", g.Done(), nil)
		c.Kill()
	})
}

// awaitBlocked returns when the process waits for something.
func awaitBlocked(t *testing.T, seg *shm.Segment, pid int) {
	t.Helper()
	proctest.Eventually(t, hangs, func() bool {
		report, err := shmsync.Blocked(seg)
		must(err)
		return slices.ContainsFunc(report.Waits, func(w shmsync.BlockedWait) bool { return w.Process.PID == pid })
	}, "the child does not wait")
}

// Goroutines of one process that wait for different rounds do not hold each other up.
func TestWaitGroupRounds(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		const rounds, each = 200, 3
		g := newWaitGroup(t, newSegment(t), "g", undo)
		wantErr(t, "add", g.Add(1), nil)
		got := make(chan error, rounds*each)
		for i := range rounds {
			for range each {
				go func() { got <- g.Wait(background) }()
			}
			for range i % 5 {
				runtime.Gosched()
			}
			wantErr(t, "done", g.Done(), nil)
			wantErr(t, "add", g.Add(1), nil)
		}
		proctest.Eventually(t, hangs, func() bool { return len(got) >= rounds*each*9/10 }, "many wait for rounds that are over")
		wantErr(t, "done", g.Done(), nil)
		for range rounds * each {
			wantErr(t, "a waiter", <-got, nil)
		}
	})
}
