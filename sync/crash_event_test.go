//go:build crashtest && linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

var eventActs = map[string]func(e *shmsync.Event) error{
	"set":   func(e *shmsync.Event) error { e.Set(); return nil },
	"clear": func(e *shmsync.Event) error { e.Clear(); return nil },
	"pulse": func(e *shmsync.Event) error { e.Set(); e.Clear(); return nil },
	"wait":  func(e *shmsync.Event) error { return e.Wait(background) },
	"timed": func(e *shmsync.Event) error {
		//clock: the time-out is the subject
		if err := eventWithin(e, time.Millisecond); verdict(err) != "deadline" {
			return errors.New("it was set")
		}
		return nil
	},
}

// event-crasher: SEGMENT ACT.
var eventCrasher = proctest.Register("event-crasher", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	e, err := shmsync.NewEvent(seg, "a", shmsync.EventOptions{Wait: shmsync.Park})
	must(err)
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() { must(eventActs[args[1]](e)) })
})

// A process is killed at every point of every operation, with and without others that sleep. Those
// return when the event was set, within two seconds, or else with the next Set.
func TestEventCrashSweep(t *testing.T) {
	for act := range eventActs {
		for _, sleepers := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s/sleepers=%d", act, sleepers), func(t *testing.T) {
				proctest.Sweep(t, 1, func(c *proctest.Crash) { crashEvent(t, c, act, sleepers) })
			})
		}
	}
}

func crashEvent(t *testing.T, c *proctest.Crash, act string, sleepers int) {
	seg := newSegment(t)
	e := newEvent(t, seg, "a")
	if act == "clear" {
		e.Set()
		sleepers = 0
	}
	var others []*proctest.Child
	for range sleepers {
		other := startEventAgent(t, seg, shmsync.Park)
		other.Send("wait")
		others = append(others, other)
	}
	v := c.Start(eventCrasher, seg.Path(), act)
	v.Expect("ready")
	proctest.Stagger(4 * time.Millisecond) // so that they mostly sleep; both must do
	v.Send("go")
	if act == "wait" {
		proctest.Stagger(4 * time.Millisecond) // so that they mostly sleep; both must do
		e.Set()
	}
	if completed := c.Wait(); completed && (act == "set" || act == "wait") != e.IsSet() {
		t.Errorf("completed, and set is %v", e.IsSet())
	}
	if act == "timed" { // it was not set
		e.Set()
	}
	for _, other := range others {
		other.Expect("ok")
		other.Kill()
	}
	e.Set()
	wantErr(t, "set", e.Wait(background), nil)
	e.Clear()
	wantErr(t, "cleared", eventWithin(e, 0), context.DeadlineExceeded)
}
