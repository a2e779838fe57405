//go:build linux

package shmsync_test

import (
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// No Set is lost in many rounds between two processes that answer each other.
func TestEventHandovers(t *testing.T) {
	defer wait.SetBackstop(time.Hour)() // so that a lost wake-up hangs
	seg := newSegment(t)
	there, back := newEvent(t, seg, "there"), newEvent(t, seg, "back")
	c := proctest.Start(t, eventEcho, seg.Path())
	c.Expect("ready")
	for range times(1000) {
		there.Set()
		wantErr(t, "the answer", back.Wait(background), nil)
		back.Clear()
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
