//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newSemaphore(t testing.TB, seg *shm.Segment, name string, units int64, o shmsync.SemaphoreOptions) *shmsync.Semaphore {
	t.Helper()
	s, err := shmsync.NewSemaphore(seg, name, units, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// acquireWithin acquires as a test does that would rather fail than wait for ever.
func acquireWithin(s *shmsync.Semaphore, n int64, d time.Duration) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return s.Acquire(ctx, n)
}

// withAndWithoutUndo runs a test for both kinds of semaphores.
func withAndWithoutUndo(t *testing.T, f func(t *testing.T, undo bool)) {
	for _, undo := range []bool{false, true} {
		t.Run(fmt.Sprintf("undo=%v", undo), func(t *testing.T) { f(t, undo) })
	}
}

func wantAvailable(t testing.TB, s *shmsync.Semaphore, want int64) {
	t.Helper()
	if got := s.Available(); got != want {
		t.Fatalf("%d units are available, want %d", got, want)
	}
}

func unitsVerdict(err error) string {
	switch {
	case errors.Is(err, shmsync.ErrOverRelease):
		return "over-release"
	case errors.Is(err, fs.ErrInvalid):
		return "invalid"
	}
	return verdict(err)
}

// semaphore-agent: SEGMENT NAME. It obeys orders, each a verb and a number of units: acquire, timed
// (for at most soon), try, release; available, close, exit.
var semaphoreAgent = proctest.Register("semaphore-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	s, err := shmsync.OpenSemaphore(seg, args[1], shmsync.SemaphoreOptions{})
	must(err)
	proctest.Say("ready")
	for {
		var verb string
		var n int64
		fmt.Sscan(proctest.Hear(), &verb, &n)
		switch verb {
		case "acquire":
			err = s.Acquire(background, n)
		case "timed":
			err = acquireWithin(s, n, soon)
		case "try":
			err = s.TryAcquire(n)
		case "release":
			err = s.Release(n)
		case "available":
			proctest.Say("%d", s.Available())
			continue
		case "close":
			err = seg.Close()
		case "exit":
			return
		}
		proctest.Say("%s", unitsVerdict(err))
	}
})

func startSemaphoreAgent(t testing.TB, seg *shm.Segment, name string) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, semaphoreAgent, seg.Path(), name)
	c.Expect("ready")
	return c
}

// A35: a semaphore counts, blocks and lets go, by name across processes.
func TestSemaphoreAcrossProcesses(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "s", 5, shmsync.SemaphoreOptions{Undo: undo})
		a, b := startSemaphoreAgent(t, seg, "s"), startSemaphoreAgent(t, seg, "s")
		told(t, a, "acquire 3", "ok")
		wantAvailable(t, s, 2)
		told(t, b, "try 3", "locked")
		told(t, b, "try 2", "ok")
		wantErr(t, "try when none are left", s.TryAcquire(1), shmsync.ErrLocked)
		//clock: the time-out is the subject
		wantErr(t, "acquire with a deadline", acquireWithin(s, 1, 10*time.Millisecond), context.DeadlineExceeded)
		var err error
		waiter := proctest.MustBlock(t, func() { err = s.Acquire(background, 4) })
		told(t, a, "release 1", "ok")
		told(t, b, "release 2", "ok")
		told(t, a, "release 1", "ok")
		<-waiter
		wantErr(t, "the waiter", err, nil)
		told(t, a, "available 0", "0")
		wantErr(t, "release", s.Release(4), nil)
		told(t, a, "release 1", "ok")
		wantAvailable(t, s, 5)
		a.Kill()
		b.Kill()
	})
}

// All processes that compete for units get them, with each way of waiting.
func TestSemaphorePolicies(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		for _, policy := range []shmsync.WaitPolicy{shmsync.Adaptive, shmsync.Park, shmsync.Spin} {
			seg := newSegment(t)
			var wg sync.WaitGroup
			for range 2 {
				s := newSemaphore(t, openAgain(t, seg), "s", 3, shmsync.SemaphoreOptions{Undo: undo, Wait: policy})
				for i := range 4 {
					wg.Go(func() {
						for range 300 {
							must(s.Acquire(background, int64(1+i%3)))
							runtime.Gosched()
							must(s.Release(int64(1 + i%3)))
						}
					})
				}
			}
			wg.Wait()
			s, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
			wantErr(t, "open", err, nil)
			wantAvailable(t, s, 3)
		}
	})
}

// A42: what cannot be released is not, and changes nothing.
func TestOverRelease(t *testing.T) {
	seg := newSegment(t)
	bounded := newSemaphore(t, seg, "bounded", 2, shmsync.SemaphoreOptions{Max: 3})
	wantErr(t, "one more", bounded.Release(1), nil)
	wantErr(t, "one too many", bounded.Release(1), shmsync.ErrOverRelease)
	wantErr(t, "acquire", bounded.Acquire(background, 2), nil)
	wantErr(t, "too many at once", bounded.Release(3), shmsync.ErrOverRelease)
	wantErr(t, "all too many", bounded.Release(math.MaxInt64), shmsync.ErrOverRelease)
	wantAvailable(t, bounded, 1)
	wantErr(t, "exactly", bounded.Release(2), nil)
	c := startSemaphoreAgent(t, seg, "bounded")
	told(t, c, "release 1", "over-release")
	c.Kill()

	owned := newSemaphore(t, seg, "owned", 3, shmsync.SemaphoreOptions{Undo: true})
	wantErr(t, "nothing acquired", owned.Release(1), shmsync.ErrOverRelease)
	wantErr(t, "acquire", owned.Acquire(background, 2), nil)
	c = startSemaphoreAgent(t, seg, "owned")
	told(t, c, "release 1", "over-release") // what another has
	told(t, c, "acquire 1", "ok")
	wantErr(t, "more than acquired", owned.Release(3), shmsync.ErrOverRelease)
	wantErr(t, "what was acquired", owned.Release(2), nil)
	wantErr(t, "a second time", owned.Release(1), shmsync.ErrOverRelease)
	told(t, c, "release 1", "ok")
	told(t, c, "release 1", "over-release")
	wantAvailable(t, owned, 3)
	c.Kill()

	unbounded := newSemaphore(t, seg, "unbounded", 0, shmsync.SemaphoreOptions{})
	wantErr(t, "nearly all", unbounded.Release(math.MaxInt64), nil)
	wantErr(t, "more than can be counted", unbounded.Release(1), shmsync.ErrOverRelease)
	wantErr(t, "all of them", unbounded.Acquire(background, math.MaxInt64), nil)
	if err := bounded.Release(1); !strings.Contains(fmt.Sprint(err), `"bounded"`) {
		t.Errorf("the error does not name the semaphore: %v", err)
	}
}

// Numbers that can never be right give an error and change nothing.
func TestImpossibleUnits(t *testing.T) {
	seg := newSegment(t)
	for name, o := range map[string]shmsync.SemaphoreOptions{"bounded": {Max: 4}, "undo": {Undo: true}} {
		s := newSemaphore(t, seg, name, 4, o)
		for _, n := range []int64{0, -1, math.MinInt64, 5, math.MaxInt64} {
			wantErr(t, "acquire", s.Acquire(background, n), fs.ErrInvalid)
			wantErr(t, "try", s.TryAcquire(n), fs.ErrInvalid)
			if n <= 0 {
				wantErr(t, "release", s.Release(n), fs.ErrInvalid)
			}
		}
		wantAvailable(t, s, 4)
	}
	for _, c := range []struct {
		units int64
		o     shmsync.SemaphoreOptions
	}{
		{-1, shmsync.SemaphoreOptions{}}, {1, shmsync.SemaphoreOptions{Max: -1}}, {3, shmsync.SemaphoreOptions{Max: 2}},
		{0, shmsync.SemaphoreOptions{Undo: true}}, {1 << 34, shmsync.SemaphoreOptions{Undo: true}},
	} {
		_, err := shmsync.NewSemaphore(seg, "bad", c.units, c.o)
		wantErr(t, "make", err, fs.ErrInvalid)
	}
	newSemaphore(t, seg, "large", 1<<34-1, shmsync.SemaphoreOptions{Undo: true})
}

// A context that has ended does not keep a caller from units that are free.
func TestAcquireWithEndedContext(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		s := newSemaphore(t, newSegment(t), "s", 2, shmsync.SemaphoreOptions{Undo: undo})
		ctx, cancel := context.WithCancelCause(background)
		why := errors.New("why")
		cancel(why)
		wantErr(t, "free", s.Acquire(ctx, 2), nil)
		wantErr(t, "not free", s.Acquire(ctx, 1), why)
		wantAvailable(t, s, 0)
		wantErr(t, "release", s.Release(2), nil)
	})
}
