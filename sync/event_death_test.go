//go:build linux

package shmsync_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A waiter that was killed costs the others nothing, wherever it stood: they return from the next
// Set as ever.
func TestEventWaiterDies(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			e := newEvent(t, seg, "a")
			survivors := []*proctest.Child{startEventAgent(t, seg, policy), startEventAgent(t, seg, policy)}
			for range 5 {
				victim := startEventAgent(t, seg, policy)
				victim.Send("wait")
				for _, c := range survivors {
					c.Send("wait")
				}
				asleepOn(t, seg, "a", 3)
				victim.Kill()
				e.Set()
				for _, c := range survivors {
					c.Expect("ok")
				}
				e.Clear()
			}
			for _, c := range survivors {
				c.Kill()
			}
		})
	}
}

// An event that a process has set stays set when it dies, and one that it has cleared stays
// cleared.
func TestEventSetterDies(t *testing.T) {
	seg := newSegment(t)
	e := newEvent(t, seg, "a")
	waiter := startEventAgent(t, seg, shmsync.Park)
	for range 5 {
		setter := startEventAgent(t, seg, shmsync.Adaptive)
		waiter.Send("wait")
		asleepOn(t, seg, "a", 1)
		setter.Send("set")                       // it is killed on the way, or afterwards
		proctest.Stagger(100 * time.Microsecond) // a moment on the way is the subject
		setter.Kill()
		if !e.IsSet() {
			e.Set()
		}
		waiter.Expect("ok")
		clearer := startEventAgent(t, seg, shmsync.Adaptive)
		told(t, clearer, "clear", "ok")
		clearer.Kill()
		if e.IsSet() {
			t.Error("cleared by one that died, and set")
		}
	}
	waiter.Kill()
}

// Processes that pulse an event die all the time. A waiter returns with the next pulse, at most a
// second late.
func TestEventSettersDieAllTheTime(t *testing.T) {
	seg := newSegment(t)
	waiters := []*proctest.Child{startEventAgent(t, seg, shmsync.Park), startEventAgent(t, seg, shmsync.Adaptive)}
	for range 10 {
		for _, c := range waiters {
			c.Send(fmt.Sprint("timed ", 2*soon))
		}
		pulser := proctest.Start(t, eventPulser, seg.Path())
		pulser.Expect("ready")
		proctest.Stagger(3 * time.Millisecond) // different moments are the subject
		pulser.Kill()
		for _, c := range waiters {
			c.Expect("ok")
		}
	}
	for _, c := range waiters {
		c.Kill()
	}
}

var eventPulser = proctest.Register("event-pulser", func(args []string) {
	e := eventOf(args[0])
	for n := 0; ; n++ {
		if n == 10 {
			proctest.Say("ready")
		}
		e.Set()
		e.Clear()
		runtime.Gosched()
	}
})
