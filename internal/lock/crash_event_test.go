//go:build crashtest && linux

package lock

import (
	"testing"

	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// eventVictim: ROOM ACT. It is killed while it takes a unit, or brings one.
var eventVictim = proctest.Register("eventVictim", func(args []string) {
	r := enterRoom(args[0])
	e, units := r.event(0), r.counter(2)
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() {
		switch args[1] {
		case "take":
			locktest.Must(e.Await(background, wait.Parking, takeUnit(units), nil))
		case "bring":
			units.Add(1)
			e.Notify()
		}
	})
})

// A process is killed at every point of a wait, or of a notification. Two units reach two other
// sleepers all the same, at worst with the backstop, unless the dead one has taken one.
func TestEventCrashSweep(t *testing.T) {
	for _, act := range []string{"take", "bring"} {
		t.Run(act, func(t *testing.T) {
			proctest.Sweep(t, 1, func(p *proctest.Crash) { crashEvent(t, p, act) })
		})
	}
}

func crashEvent(t *testing.T, p *proctest.Crash, act string) {
	path := newRoom(t)
	r := visit(t, path)
	e, units := r.event(0), r.counter(2)
	v := p.Start(eventVictim, path, act)
	v.Expect("ready")
	var takers []*proctest.Child
	for range 2 {
		c := proctest.Start(t, taker, path, deaths)
		c.Expect("ready")
		takers = append(takers, c)
	}
	proctest.Stagger(2 * asleep) // so that they mostly sleep; both must do
	v.Send("go")
	ended, fed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(fed)
		for act == "take" && !isClosed(ended) { // the others take some of them
			proctest.Stagger(2 * asleep) // so that they mostly sleep; both must do
			units.Add(1)
			e.Notify()
		}
	}()
	p.Wait()
	close(ended)
	<-fed
	proctest.Eventually(t, hangs, func() bool { return units.Load() == 0 }, "nobody takes the unit")
	units.Add(1)
	e.Notify()
	proctest.Eventually(t, hangs, func() bool { return units.Load() == 0 }, "nobody takes the next unit")
	for _, c := range takers {
		c.Kill()
	}
	e.Notify()
	if e.e.bell.isArmed() {
		t.Error("the bell is armed without a waiter")
	}
}
