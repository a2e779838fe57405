//go:build crashtest && linux

package shmsync_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
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
		if err := eventWithin(e, time.Millisecond); verdict(err) != "deadline" { //clock: the time-out is the subject
			return errors.New("it was set")
		}
		return nil
	},
}

// event-crasher: SEGMENT ACT POINT.
var eventCrasher = proctest.Register("event-crasher", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	e, err := shmsync.NewEvent(seg, "a", shmsync.EventOptions{Wait: shmsync.Park})
	must(err)
	n, err := strconv.Atoi(args[2])
	must(err)
	proctest.Say("ready")
	proctest.Hear()
	crashpoint.Arm(n)
	must(eventActs[args[1]](e))
	crashpoint.Disarm()
})

// A process is killed at every point of every operation, with and without others that sleep. Those return when the
// event was set, within two seconds, or else with the next Set.
func TestEventCrashSweep(t *testing.T) {
	for act := range eventActs {
		for _, sleepers := range []int{0, 2} {
			n := 1
			for ; !crashEventAt(t, act, sleepers, n); n++ {
			}
			t.Logf("%s, %d sleepers: %d crash points", act, sleepers, n-1)
			if n == 1 {
				t.Errorf("%s: no crash point was passed", act)
			}
		}
	}
}

func crashEventAt(t *testing.T, act string, sleepers, n int) (completed bool) {
	seg := newSegment(t)
	e := newEvent(t, seg, "a")
	if act == "clear" {
		e.Set()
		sleepers = 0
	}
	var others []*proctest.Child
	for range sleepers {
		c := startEventAgent(t, seg, shmsync.Park)
		c.Send("wait")
		others = append(others, c)
	}
	v := proctest.Start(t, eventCrasher, seg.Path(), act, strconv.Itoa(n))
	v.Expect("ready")
	proctest.Stagger(4 * time.Millisecond) // so that they mostly sleep; both must do
	v.Send("go")
	if act == "wait" {
		proctest.Stagger(4 * time.Millisecond) // so that they mostly sleep; both must do
		e.Set()
	}
	state := v.Wait()
	if completed = state.Success(); !completed && state.String() != "signal: killed" {
		t.Fatalf("%s, point %d: %v\n%s", act, n, state, v.Stderr())
	}
	if completed && (act == "set" || act == "wait") != e.IsSet() {
		t.Errorf("%s completed, and set is %v", act, e.IsSet())
	}
	if act == "timed" { // nobody has set it
		e.Set()
	}
	for _, c := range others {
		c.Expect("ok")
		c.Kill()
	}
	e.Set()
	wantErr(t, "set", e.Wait(background), nil)
	e.Clear()
	wantErr(t, "cleared", eventWithin(e, 0), context.DeadlineExceeded)
	return completed
}
