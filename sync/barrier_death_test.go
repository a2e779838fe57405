//go:build linux

package shmsync_test

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

var myPID = os.Getpid()

// killMyself ends the process as SIGKILL from elsewhere would. It does not return.
func killMyself() {
	syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {}
}

// barrierDeaths are the roles in which a party can die.
var barrierDeaths = []struct {
	name    string
	parties int    // three of them wait besides the one that dies
	action  string // of the one that dies
	order   string // what it does
	said    string // and says, when it is about to die
}{
	{"not yet arrived", 4, "none", "", ""},
	{"waits", 5, "none", "wait", ""},
	{"runs the action", 4, "stall", "wait", "acting"},
}

// A party dies while two others, in processes of their own, and one here sleep. They are told at
// once which one died. After a Reset, and with newcomers, the barrier is as before.
func TestBarrierPartyDies(t *testing.T) {
	t.Parallel()
	for _, death := range barrierDeaths {
		t.Run(death.name, func(t *testing.T) {
			seg := newSegment(t)
			b := newBarrier(t, seg, death.parties, shmsync.BarrierOptions{})
			sleepers := []*proctest.Child{startBarrierAgent(t, seg, death.parties, "none"), startBarrierAgent(t, seg, death.parties, "none")}
			for range times(2) {
				victim := startBarrierAgent(t, seg, death.parties, death.action)
				here := barrierSleep(t, b, sleepers)
				if death.order != "" {
					victim.Send(death.order)
				}
				if death.said != "" {
					victim.Expect(death.said)
				}
				asleepOn(t, seg, "b", len(sleepers)+1)
				victim.Kill()
				barrierTold(t, b, victim, sleepers, here)
				barrierMended(t, seg, b, sleepers)
			}
			for _, c := range sleepers {
				c.Kill()
			}
		})
	}
}

// The same with more parties than one can sleep on, and one here that never sleeps.
func TestBarrierOneOfManyDies(t *testing.T) {
	const parties = 9
	seg := newSegment(t)
	b := newBarrier(t, seg, parties, shmsync.BarrierOptions{Wait: shmsync.Spin})
	var sleepers []*proctest.Child
	for range parties - 2 {
		sleepers = append(sleepers, startBarrierAgent(t, seg, parties, "none"))
	}
	for range times(2) {
		victim := startBarrierAgent(t, seg, parties, "none")
		here := barrierSleep(t, b, sleepers)
		asleepOn(t, seg, "b", len(sleepers)+1)
		victim.Kill()
		barrierTold(t, b, victim, sleepers, here)
		barrierMended(t, seg, b, sleepers)
	}
	for _, c := range sleepers {
		c.Kill()
	}
}

// barrierSleep has the sleepers, and a goroutine, come and wait.
func barrierSleep(t *testing.T, b *shmsync.Barrier, sleepers []*proctest.Child) (here <-chan error) {
	t.Helper()
	for _, c := range sleepers {
		c.Send("wait")
	}
	got := make(chan error)
	go func() { _, err := waitBarrier(b); got <- err }()
	arrived(t, b, len(sleepers)+1)
	return got
}

// barrierTold checks that all that wait are told of the death.
func barrierTold(t *testing.T, b *shmsync.Barrier, victim *proctest.Child, sleepers []*proctest.Child, here <-chan error) {
	t.Helper()
	err := <-here
	if broken := wantBroken(t, "who waits", err, shmsync.BrokenByDeath); broken.PID != victim.PID() {
		t.Errorf("%+v died, and not %d", broken, victim.PID())
	}
	for _, c := range sleepers {
		waited(t, c, fmt.Sprintf("broken %d by %d", shmsync.BrokenByDeath, victim.PID()))
	}
	_, err = waitBarrier(b)
	wantBroken(t, "who comes later", err, shmsync.BrokenByDeath)
}

// barrierMended resets the barrier, and lets the sleepers, this process and newcomers go through a
// round. Then the newcomers die, and the barrier is reset once more, for the others.
func barrierMended(t *testing.T, seg *shm.Segment, b *shmsync.Barrier, sleepers []*proctest.Child) {
	t.Helper()
	b.Reset()
	var newcomers []*proctest.Child
	for range b.Parties() - len(sleepers) - 1 {
		c := startBarrierAgent(t, seg, b.Parties(), "none")
		c.Send("wait")
		newcomers = append(newcomers, c)
	}
	arrived(t, b, len(newcomers))
	for _, c := range sleepers {
		c.Send("wait")
	}
	_, err := waitBarrier(b)
	wantErr(t, "after the Reset", err, nil)
	for _, c := range slices.Concat(newcomers, sleepers) {
		waited(t, c, "ok")
	}
	for _, c := range newcomers {
		c.Kill()
	}
	b.Reset()
	if b.Broken() {
		t.Error("the Reset has not mended it")
	}
}

// A party dies right after it was the last to come: the round is over, for all; the next one
// breaks.
func TestBarrierTripperDies(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 4, shmsync.BarrierOptions{})
	sleepers := []*proctest.Child{startBarrierAgent(t, seg, 4, "none"), startBarrierAgent(t, seg, 4, "none")}
	for range times(2) {
		victim := startBarrierAgent(t, seg, 4, "none")
		here := barrierSleep(t, b, sleepers)
		asleepOn(t, seg, "b", len(sleepers)+1)
		victim.Send("leave")
		victim.Wait()
		wantErr(t, "who waits", <-here, nil)
		for _, c := range sleepers {
			waited(t, c, "ok")
			c.Send("wait")
			waited(t, c, fmt.Sprintf("broken %d by %d", shmsync.BrokenByDeath, victim.PID()))
		}
		barrierMended(t, seg, b, sleepers)
	}
	for _, c := range sleepers {
		c.Kill()
	}
}

// A process that closes the segment is a party no more, and breaks the barrier. One that dies as a
// spectator does not.
func TestBarrierPartyCloses(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 2, shmsync.BarrierOptions{})
	other := startBarrierAgent(t, seg, 2, "none")
	here := make(chan error)
	go func() { _, err := waitBarrier(b); here <- err }()
	arrived(t, b, 1)
	told(t, other, "close", "ok")
	wantBroken(t, "who waits", <-here, shmsync.BrokenByDeath)
	b.Reset()
	go func() { _, err := waitBarrier(b); here <- err }()
	arrived(t, b, 1)
	spectator := proctest.Start(t, barrierSpectator, seg.Path())
	spectator.Expect("false")
	spectator.Kill()
	if b.Broken() {
		t.Error("the death of a spectator breaks it")
	}
	again := openAgain(t, seg)
	c := newBarrier(t, again, 2, shmsync.BarrierOptions{})
	_, err := waitBarrier(c)
	wantErr(t, "with a newcomer", err, nil)
	wantErr(t, "who waited all the time", <-here, nil)
	other.Kill()
}

var barrierSpectator = proctest.Register("barrier-spectator", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	b, err := shmsync.OpenBarrier(seg, "b", shmsync.BarrierOptions{Spectator: true})
	must(err)
	proctest.Say("%v", b.Broken())
	proctest.Hear()
})

// A newcomer that takes the seat of a dead party before another party has seen the death does not
// hide it. When all parties have gone, newcomers find the barrier whole.
func TestBarrierNewcomers(t *testing.T) {
	seg := newSegment(t)
	watcher := newBarrier(t, seg, 2, shmsync.BarrierOptions{Spectator: true})
	for range 3 {
		first, second := startBarrierAgent(t, seg, 2, "none"), startBarrierAgent(t, seg, 2, "none")
		if watcher.Broken() {
			t.Fatal("newcomers that are alone do not find it whole")
		}
		second.Kill()
		third := startBarrierAgent(t, seg, 2, "none")
		for _, c := range []*proctest.Child{first, third} {
			c.Send("wait")
			waited(t, c, fmt.Sprintf("broken %d by %d", shmsync.BrokenByDeath, second.PID()))
		}
		told(t, third, "reset", "ok")
		third.Send("wait")
		arrived(t, watcher, 1)
		first.Kill()
		waited(t, third, fmt.Sprintf("broken %d by %d", shmsync.BrokenByDeath, first.PID()))
		third.Kill()
	}
}

// Waiters get ErrClosed when their own process closes the segment, and so does what comes later.
func TestBarrierClosed(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 30, shmsync.BarrierOptions{})
	mine := openAgain(t, seg)
	c := newBarrier(t, mine, 30, shmsync.BarrierOptions{})
	got, here := make(chan error), make(chan error)
	for range 20 {
		go func() { _, err := c.Wait(background); got <- err }()
	}
	go func() { _, err := waitBarrier(b); here <- err }()
	arrived(t, b, 21)
	asleepOn(t, seg, "b", 2)
	wantErr(t, "close", mine.Close(), nil)
	for range 20 {
		wantErr(t, "a waiter", <-got, shmsync.ErrClosed)
	}
	wantBroken(t, "one in another process", <-here, shmsync.BrokenByDeath)
	_, err := c.Wait(background)
	wantErr(t, "a Wait afterwards", err, shmsync.ErrClosed)
	c.Abort()
	c.Reset()
	if c.Broken() || !b.Broken() {
		t.Error("what a process does after Close is seen by others")
	}
	_, err = shmsync.OpenBarrier(mine, "b", shmsync.BarrierOptions{})
	wantErr(t, "open afterwards", err, shmsync.ErrClosed)
	_, err = c.MarshalBinary()
	wantErr(t, "marshal afterwards", err, shmsync.ErrClosed)
}
