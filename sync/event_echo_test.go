//go:build linux

package shmsync_test

import (
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// No Set is lost in many rounds between two processes that answer each other.
func TestEventHandovers(t *testing.T) {
	seg := newSegment(t)
	there, back := newEvent(t, seg, "there"), newEvent(t, seg, "back")
	c := proctest.Start(t, eventEcho, seg.Path())
	c.Expect("ready")
	worst, rounds := time.Duration(0), 0
	for end := time.Now().Add(longer(300 * time.Millisecond)); time.Now().Before(end); rounds++ {
		began := time.Now()
		there.Set()
		wantErr(t, "the answer", eventWithin(back, 20*time.Second), nil)
		back.Clear()
		worst = max(worst, time.Since(began))
	}
	t.Logf("%d rounds, the slowest in %v", rounds, worst)
	if worst > soon/2 {
		t.Errorf("a round took %v", worst)
	}
	c.Kill()
}

var eventEcho = proctest.Register("event-echo", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	there, err := shmsync.NewEvent(seg, "there", shmsync.EventOptions{})
	must(err)
	back, err := shmsync.NewEvent(seg, "back", shmsync.EventOptions{})
	must(err)
	proctest.Say("ready")
	for {
		must(there.Wait(background))
		there.Clear()
		back.Set()
	}
})

func TestEventAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	seg := newSegment(t)
	there, back := newEvent(t, seg, "there"), newEvent(t, seg, "back")
	c := proctest.Start(t, eventEcho, seg.Path())
	c.Expect("ready")
	if n := testing.AllocsPerRun(500, func() {
		there.Set()
		must(back.Wait(background))
		back.Clear()
	}); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
	c.Kill()
}
