//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A45, abort, by any of the processes, one of which is no party: all that wait and all that arrive
// are told.
func TestBarrierAbort(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{Spectator: true})
	agents := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	for _, aborts := range []string{"spectator", "party"} {
		agents[0].Send("wait")
		agents[1].Send("wait")
		arrived(t, b, 2)
		want := fmt.Sprintf("broken %d by %d", shmsync.BrokenByAbort, agents[2].PID())
		if aborts == "party" {
			told(t, agents[2], "abort", "ok")
		} else {
			want = fmt.Sprintf("broken %d by %d", shmsync.BrokenByAbort, myPID)
			b.Abort()
		}
		for _, c := range agents[:2] {
			waited(t, c, want)
		}
		agents[2].Send("wait")
		waited(t, agents[2], want)
		b.Abort() // changes nothing
		if !b.Broken() {
			t.Error("not broken after an abort")
		}
		b.Reset()
		if b.Broken() {
			t.Error("broken after a reset")
		}
	}
	for _, c := range agents {
		c.Send("wait")
	}
	for _, c := range agents {
		waited(t, c, "ok")
	}
	for _, c := range agents {
		c.Kill()
	}
}

// A45, reset: it does nothing to a barrier without waiters, and waiters are told. Abort then reset,
// while the waiters that were told have not noticed yet.
func TestBarrierReset(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{})
	others := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	for round := range 20 {
		b.Reset()
		for _, c := range others {
			c.Send("wait")
		}
		arrived(t, b, 2)
		want := shmsync.BrokenByReset
		if round%2 == 0 {
			want = shmsync.BrokenByAbort
			b.Abort()
		}
		b.Reset()
		if b.Broken() || b.Waiting() != 0 {
			t.Fatalf("after the reset: broken %v, %d waiting", b.Broken(), b.Waiting())
		}
		for _, c := range others {
			waited(t, c, fmt.Sprintf("broken %d by %d", want, myPID))
		}
		for _, c := range others {
			c.Send("wait")
		}
		_, err := waitBarrier(b)
		wantErr(t, "the round after", err, nil)
		for _, c := range others {
			waited(t, c, "ok")
		}
	}
	for _, c := range others {
		c.Kill()
	}
}

// A45, timeouts: a party that gives up gets the error of its context, the others ErrBroken. The
// last party to arrive needs no time.
func TestBarrierTimeout(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{})
	others := []*proctest.Child{startBarrierAgent(t, seg, 3, "none"), startBarrierAgent(t, seg, 3, "none")}
	others[0].Send("wait")
	arrived(t, b, 1)
	began := time.Now()
	others[1].Send("timed")
	at := waited(t, others[1], "deadline")
	if took := at.Sub(began); took < 50*time.Millisecond { //clock: at least so long
		t.Errorf("it gave up after %v", took)
	}
	waited(t, others[0], fmt.Sprintf("broken %d by %d", shmsync.BrokenByGivingUp, others[1].PID()))
	_, err := waitBarrier(b)
	wantBroken(t, "who comes later", err, shmsync.BrokenByGivingUp)
	b.Reset()

	ended, cancel := context.WithCancelCause(background)
	cancel(errAction)
	others[0].Send("wait")
	arrived(t, b, 1)
	others[1].Send("wait")
	arrived(t, b, 2)
	index, err := b.Wait(ended)
	if index != 2 || err != nil {
		t.Errorf("the last to come: %d, %v", index, err)
	}
	for _, c := range others {
		waited(t, c, "ok")
	}
	_, err = b.Wait(ended)
	wantErr(t, "with a context that has ended", err, errAction)
	if !b.Broken() {
		t.Error("who came without time to wait has not broken it")
	}
	for _, c := range others {
		c.Kill()
	}
}
