//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newEvent(t testing.TB, seg *shm.Segment, name string) *shmsync.Event {
	t.Helper()
	e, err := shmsync.NewEvent(seg, name, shmsync.EventOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// eventWithin waits as a test does that would rather fail than wait for ever.
func eventWithin(e *shmsync.Event, d time.Duration) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return e.Wait(ctx)
}

// event-agent: SEGMENT POLICY. It does what it is told with the event "a", each line an order, and
// reports how that went:
//
//	set, clear, is, wait, timed DURATION
//	crowd N (that many goroutines wait; it reports "waiting", and the verdict once all have returned)
var eventAgent = proctest.Register("event-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	var o shmsync.EventOptions
	_, err = fmt.Sscan(args[1], (*int)(&o.Wait))
	must(err)
	e, err := shmsync.NewEvent(seg, "a", o)
	must(err)
	proctest.Say("ready")
	for {
		order, rest, _ := strings.Cut(proctest.Hear(), " ")
		switch order {
		case "set":
			e.Set()
			proctest.Say("ok")
		case "clear":
			e.Clear()
			proctest.Say("ok")
		case "is":
			proctest.Say("%v", e.IsSet())
		case "wait":
			proctest.Say("%s", verdict(e.Wait(background)))
		case "timed":
			d, err := time.ParseDuration(rest)
			must(err)
			proctest.Say("%s", verdict(eventWithin(e, d)))
		case "crowd":
			var n int
			_, err := fmt.Sscan(rest, &n)
			must(err)
			eventCrowd(e, n)
		case "exit":
			return
		}
	}
})

func eventCrowd(e *shmsync.Event, n int) {
	var wg sync.WaitGroup
	var began sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		began.Add(1)
		wg.Go(func() {
			began.Done()
			errs <- e.Wait(background)
		})
	}
	began.Wait()
	// all but a few sleep by then: no list has that many goroutines
	proctest.Stagger(60 * time.Millisecond)
	proctest.Say("waiting with %d threads", threads())
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	proctest.Say("%s", verdict(err))
}

func startEventAgent(t testing.TB, seg *shm.Segment, policy shmsync.WaitPolicy) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, eventAgent, seg.Path(), fmt.Sprint(int(policy)))
	c.Expect("ready")
	return c
}

// A44: what set, clear and is-set do, in this process and in another one.
func TestEventStates(t *testing.T) {
	seg := newSegment(t)
	e := newEvent(t, seg, "a")
	c := startEventAgent(t, seg, shmsync.Adaptive)
	for range 3 {
		told(t, c, "is", "false")
		told(t, c, "timed 1ms", "deadline")
		//clock: the time-out is the subject
		wantErr(t, "wait for an event that is not set", eventWithin(e, time.Millisecond), context.DeadlineExceeded)
		// the second changes nothing
		for range 2 {
			e.Set()
			told(t, c, "is", "true")
			told(t, c, "wait", "ok")
			wantErr(t, "wait for an event that is set", e.Wait(background), nil)
		}
		for range 2 {
			told(t, c, "clear", "ok")
			if e.IsSet() {
				t.Error("cleared by the other, and set")
			}
		}
		told(t, c, "set", "ok")
		if !e.IsSet() {
			t.Error("set by the other, and not set")
		}
		e.Clear()
	}
	c.Kill()
}

// A44: a wait in another process lasts until the event is set, whatever the policy.
func TestEventWait(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			e := newEvent(t, seg, "a")
			c := startEventAgent(t, seg, policy)
			for range 20 {
				c.Send("wait")
				asleepOn(t, seg, "a", 1)
				e.Set()
				c.Expect("ok")
				e.Clear()
			}
			c.Send("timed 10m")
			asleepOn(t, seg, "a", 1)
			e.Set()
			c.Expect("ok")
			c.Kill()
		})
	}
}

// A44: each waiter returns when the event is set, even when it is cleared at once.
func TestEventPulse(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			e := newEvent(t, seg, "a")
			c := startEventAgent(t, seg, policy)
			for range 5 {
				c.Send("crowd 20")
				c.Line() // waiting
				e.Set()
				e.Clear()
				c.Expect("ok")
			}
			told(t, c, "timed 5ms", "deadline") // the pulse is over
			c.Kill()
		})
	}
}

// A timed wait lasts its time, and a waiter sees an event that is set already even if its context
// has ended.
func TestEventTimeouts(t *testing.T) {
	e := newEvent(t, newSegment(t), "a")
	//clock: the time-out is the subject
	for _, d := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond} {
		began := time.Now()
		wantErr(t, "timed wait", eventWithin(e, d), context.DeadlineExceeded)
		if took := time.Since(began); took < d {
			t.Errorf("a wait of %v took %v", d, took)
		}
	}
	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(background)
	var err error
	waits := proctest.MustBlock(t, func() { err = e.Wait(ctx) })
	cancel(cause)
	<-waits
	wantErr(t, "cancelled", err, cause)
	wantErr(t, "cancelled before", e.Wait(ctx), cause)
	e.Set()
	wantErr(t, "set, with a context that has ended", e.Wait(ctx), nil)
}

// eventOf is the event "a" of a segment, for a child.
func eventOf(path string) *shmsync.Event {
	seg, err := shm.Open(path)
	must(err)
	e, err := shmsync.NewEvent(seg, "a", shmsync.EventOptions{})
	must(err)
	return e
}
