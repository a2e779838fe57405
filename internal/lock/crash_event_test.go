//go:build crashtest && linux

package lock

import (
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// eventVictim: ROOM ACT POINT. It is killed while it takes a unit, or brings one.
var eventVictim = proctest.Register("eventVictim", func(args []string) {
	r := enterRoom(args[0])
	n, err := strconv.Atoi(args[2])
	locktest.Must(err)
	e, units := r.event(0), r.counter(2)
	proctest.Say("ready")
	proctest.Hear()
	crashpoint.Arm(n)
	switch args[1] {
	case "take":
		locktest.Must(e.Await(background, wait.Parking, takeUnit(units), nil))
	case "bring":
		units.Add(1)
		e.Notify()
	}
	crashpoint.Disarm()
})

// A process is killed at every point of a wait, or of a notification. Two units reach two other
// sleepers all the same, at worst with the backstop, unless the dead one has taken one.
func TestEventCrashSweep(t *testing.T) {
	for _, act := range []string{"take", "bring"} {
		t.Run(act, func(t *testing.T) {
			n := 1
			for ; !crashEvent(t, act, n); n++ {
			}
			t.Logf("%d crash points", n-1)
			if n == 1 {
				t.Error("no crash point was passed")
			}
		})
	}
}

func crashEvent(t *testing.T, act string, n int) (completed bool) {
	path := newRoom(t)
	r := visit(t, path)
	e, units := r.event(0), r.counter(2)
	v := proctest.Start(t, eventVictim, path, act, strconv.Itoa(n))
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
	state := v.Wait()
	close(ended)
	<-fed
	if completed = state.Success(); !completed && state.String() != "signal: killed" {
		t.Fatalf("point %d: %v\n%s", n, state, v.Stderr())
	}
	proctest.Eventually(t, hangs, func() bool { return units.Load() == 0 }, "nobody takes the unit")
	units.Add(1)
	e.Notify()
	proctest.Eventually(t, hangs, func() bool { return units.Load() == 0 }, "nobody takes the next unit")
	for _, c := range takers {
		c.Kill()
	}
	e.Notify()
	if e.e.bell.isArmed() {
		t.Errorf("point %d: the bell is armed for nobody", n)
	}
	return completed
}
