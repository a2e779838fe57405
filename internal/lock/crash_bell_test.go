//go:build crashtest && linux

package lock

import (
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// bellVictim: ROOM. It is killed while it makes the bell of the event count strict and fenced, lets
// changes that find no waiter make it quiet again, and sleeps once more, which begins anew.
var bellVictim = proctest.Register("bellVictim", func(args []string) {
	r := enterRoom(args[0])
	e, units, sleeps := r.event(0), r.counter(2), r.counter(3)
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() {
		for range 2 {
			sleeps.Add(1)
			locktest.Must(e.Await(background, wait.Parking, takeUnit(units), nil))
			becomeQuiet(e)
		}
	})
})

// becomeQuiet makes as many changes that find no waiter as make a bell quiet, and the one that
// finds out that there is none.
func becomeQuiet(e *EventCount) {
	for range unrung/oneUnrung + 2 {
		e.Notify()
	}
}

// A process is killed between any two of the words that make a bell strict, fenced and quiet.
// Whatever it leaves, waiters of other processes are woken by the changes of any process: under a
// backstop of an hour no other look helps them.
func TestBellCrashSweep(t *testing.T) {
	if !futex.Register() {
		t.Skip("without membarrier no bell is strict")
	}
	points := proctest.Sweep(t, 5, func(p *proctest.Crash) {
		path := newRoom(t)
		r := visit(t, path)
		e, units := r.event(0), r.counter(2)
		v := p.Start(bellVictim, path)
		v.Expect("ready")
		v.Send("go")
		ended, fed := make(chan struct{}), make(chan struct{})
		go func() { // brings a unit for each sleep of the victim
			defer close(fed)
			for n := int64(1); !isClosed(ended); proctest.Stagger(100 * time.Microsecond) {
				if r.counter(3).Load() == n && e.e.bell.isArmed() {
					units.Add(1)
					e.Notify()
					n++
				}
			}
		}()
		p.Wait()
		close(ended)
		<-fed
		units.Store(0)
		c := proctest.Start(t, patientTaker, path)
		c.Expect("ready")
		for range 3 {
			proctest.Eventually(t, hangs, e.e.bell.isArmed, "the taker arms the bell")
			proctest.Stagger(asleep) // so that it mostly sleeps
			units.Add(1)
			e.Notify()
			c.Expect("took")
		}
		c.Kill()
	})
	for _, point := range []string{"bell.strict", "bell.fenced", "bell.armed", "bell.relaxed"} {
		if !slices.Contains(points, point) {
			t.Errorf("the victim never met %s", point)
		}
	}
}

// patientTaker: ROOM. It takes one unit after another, and says so. Nothing but a wake-up ends its
// sleeps.
var patientTaker = proctest.Register("patientTaker", func(args []string) {
	r := enterRoom(args[0])
	e, units := r.event(0), r.counter(2)
	wait.SetBackstop(time.Hour)
	proctest.Say("ready")
	for {
		locktest.Must(e.Await(wait.WithLongSleep(background), wait.Parking, takeUnit(units), nil))
		proctest.Say("took")
	}
})
