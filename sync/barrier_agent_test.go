//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newBarrier(t testing.TB, seg *shm.Segment, parties int, o shmsync.BarrierOptions) *shmsync.Barrier {
	t.Helper()
	b, err := shmsync.NewBarrier(seg, "b", parties, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// waitBarrier waits as a test does that would rather fail than wait for ever.
func waitBarrier(b *shmsync.Barrier) (int, error) {
	ctx, cancel := context.WithTimeout(background, hangs)
	defer cancel()
	return b.Wait(ctx)
}

// wantBroken checks that an error says that the barrier is broken, and why.
func wantBroken(t testing.TB, what string, err error, cause shmsync.BrokenCause) *shmsync.BrokenError {
	t.Helper()
	wantErr(t, what, err, shmsync.ErrBroken)
	var broken *shmsync.BrokenError
	if !errors.As(err, &broken) || broken.Cause != cause {
		t.Fatalf("%s: %v, want cause %d", what, err, cause)
	}
	return broken
}

func barrierVerdict(err error) string {
	var broken *shmsync.BrokenError
	if errors.As(err, &broken) {
		return fmt.Sprintf("broken %d by %d", broken.Cause, broken.PID)
	}
	return verdict(err)
}

var errAction = errors.New("the action cannot")

// barrierActions are what the handles of agents can have as their action.
var barrierActions = map[string]func() error{
	"none":  nil,
	"say":   func() error { proctest.Say("acting"); return nil },
	"fail":  func() error { return errAction },
	"stall": func() error { proctest.Say("acting"); select {} },
}

// barrier-agent: SEGMENT PARTIES ACTION. Orders, of which each is answered:
//
//	wait, timed (of 50 ms): by the index and how it went, and when, in nanoseconds
//	rounds N: by "ok" after that many waits
//	abort, reset, close: by "ok"
//	leave: not at all, after a wait the process kills itself
var barrierAgent = proctest.Register("barrier-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	parties, err := strconv.Atoi(args[1])
	must(err)
	b, err := shmsync.NewBarrier(seg, "b", parties, shmsync.BarrierOptions{Action: barrierActions[args[2]]})
	must(err)
	proctest.Say("ready")
	for {
		order, n, _ := strings.Cut(proctest.Hear(), " ")
		barrierObey(seg, b, order, n)
	}
})

func barrierObey(seg *shm.Segment, b *shmsync.Barrier, order, n string) {
	ctx := background
	switch order {
	case "rounds":
		rounds, err := strconv.Atoi(n)
		must(err)
		for range rounds {
			_, err := b.Wait(background)
			must(err)
		}
	case "timed":
		var cancel func()
		//clock: the time-out is the subject
		ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		fallthrough
	case "wait", "leave":
		index, err := b.Wait(ctx)
		if order == "leave" {
			killMyself()
		}
		proctest.Say("%d %s at %d", index, barrierVerdict(err), time.Now().UnixNano())
		return
	case "abort":
		b.Abort()
	case "reset":
		b.Reset()
	case "close":
		must(seg.Close())
	}
	proctest.Say("ok")
}

func startBarrierAgent(t testing.TB, seg *shm.Segment, parties int, action string) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, barrierAgent, seg.Path(), fmt.Sprint(parties), action)
	c.Expect("ready")
	return c
}

// waited reads an agent's answer to wait. It returns when the agent knew.
func waited(t testing.TB, c *proctest.Child, want string) (at time.Time) {
	t.Helper()
	line := c.Line()
	said, nanoseconds, _ := strings.Cut(line, " at ")
	if _, outcome, _ := strings.Cut(said, " "); outcome != want && said != want {
		t.Fatalf("an agent's wait: %q, want %q", line, want)
	}
	n, err := strconv.ParseInt(nanoseconds, 10, 64)
	must(err)
	return time.Unix(0, n)
}

// arrived waits until n have come and wait.
func arrived(t testing.TB, b *shmsync.Barrier, n int) {
	t.Helper()
	proctest.Eventually(t, hangs, func() bool { return b.Waiting() == n }, fmt.Sprint(n, " wait"))
}
