//go:build crashtest && linux

package shmsync_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// barrierActs are the operations of the sweep's victims. The barrier is for three parties. A victim
// does not know of the other two.
var barrierActs = map[string]func(seg *shm.Segment, b *shmsync.Barrier){
	"join": nil, // before it has a handle
	"wait": func(_ *shm.Segment, b *shmsync.Barrier) { b.Wait(background) },
	"wait and act": func(seg *shm.Segment, _ *shmsync.Barrier) {
		b, err := shmsync.NewBarrier(seg, "b", 3, shmsync.BarrierOptions{Action: func() error {
			crashpoint.Here("the action")
			return nil
		}})
		must(err)
		b.Wait(background)
	},
	"wait and fail to act": func(seg *shm.Segment, _ *shmsync.Barrier) {
		b, err := shmsync.NewBarrier(seg, "b", 3, shmsync.BarrierOptions{Action: func() error { return errAction }})
		must(err)
		b.Wait(background)
	},
	"give up": func(_ *shm.Segment, b *shmsync.Barrier) {
		//clock: the time-out is the subject
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		defer cancel()
		b.Wait(ctx)
	},
	"abort":           func(_ *shm.Segment, b *shmsync.Barrier) { b.Abort() },
	"reset":           func(_ *shm.Segment, b *shmsync.Barrier) { b.Reset() },
	"abort and reset": func(_ *shm.Segment, b *shmsync.Barrier) { b.Abort(); b.Reset() },
	"close":           func(seg *shm.Segment, _ *shmsync.Barrier) { must(seg.Close()) },
}

// barrier-victim: SEGMENT ACT ROLE. ROLE is "party" or "spectator".
var barrierVictim = proctest.Register("barrier-victim", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	join := func() *shmsync.Barrier {
		b, err := shmsync.NewBarrier(seg, "b", 3, shmsync.BarrierOptions{Spectator: args[2] == "spectator", Wait: shmsync.Park})
		must(err)
		return b
	}
	act := barrierActs[args[1]]
	if act == nil {
		proctest.Armed(func() { join() })
		return
	}
	b := join()
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() { act(seg, b) })
})

// A process is killed at every point of each operation on a barrier: while no other party waits,
// one, or both, and after a party has died unnoticed. The others get through, or are told, in time.
// After a Reset the barrier works for three, one of them new.
func TestBarrierCrashSweep(t *testing.T) {
	for act := range barrierActs {
		for _, c := range []barrierCrash{
			{act: act}, {act: act, waiting: 1}, {act: act, waiting: 2}, {act: act, dead: true},
			{act: act, waiting: 1, spectator: true}, {act: act, dead: true, spectator: true},
		} {
			if c.spectator && act != "abort" && act != "reset" && act != "abort and reset" {
				continue
			}
			least := 1
			if act == "reset" && c.waiting == 0 && !c.dead { // there is nothing to do
				least = 0
			}
			t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { proctest.Sweep(t, least, func(p *proctest.Crash) { c.run(t, p) }) })
		}
	}
}

// A barrierCrash is what a process that is killed does, in one situation.
type barrierCrash struct {
	act       string
	waiting   int  // how many of the two others wait when it begins
	dead      bool // another party has died before
	spectator bool
}

// run kills a victim at its crash point.
func (c barrierCrash) run(t *testing.T, p *proctest.Crash) {
	seg := newSegment(t)
	parties := make([]*shmsync.Barrier, 2)
	for i := range parties {
		parties[i] = newBarrier(t, openAgain(t, seg), 3, shmsync.BarrierOptions{Wait: shmsync.Park})
	}
	role := "party"
	if c.spectator {
		role = "spectator"
	}
	v := p.Start(barrierVictim, seg.Path(), c.act, role)
	if barrierActs[c.act] != nil {
		v.Expect("ready")
	}
	if c.dead {
		startBarrierAgent(t, seg, 3, "none").Kill()
	}
	got := make(chan error, len(parties))
	come := func(b *shmsync.Barrier) { _, err := waitBarrier(b); got <- err }
	for _, b := range parties[:c.waiting] {
		go come(b)
	}
	if barrierActs[c.act] != nil {
		arrived(t, parties[0], c.waiting)
		v.Send("go")
	}
	proctest.Eventually(t, hangs, func() bool {
		return v.Ended() || parties[0].Waiting() > c.waiting || c.waiting == len(parties)
	}, "the victim arrives, or ends")
	proctest.Stagger(4 * time.Millisecond) // so that they mostly sleep; both must do
	for _, b := range parties[c.waiting:] {
		go come(b)
	}
	p.Wait()
	c.await(t, parties[0], got)
	c.works(t, seg, parties)
}

// await checks that both others return in time.
func (c barrierCrash) await(t *testing.T, b *shmsync.Barrier, got <-chan error) {
	var missed <-chan time.Time
	switch {
	case c.act == "join": // it was a party when it died, or not: that it is missed shows by then
		missed = time.After(time.Second) //clock: that they go on waiting is the subject
	case c.spectator && !b.Broken():
		missed = time.After(0)
	}
	late := time.After(2 * soon)
	for range 2 {
		select {
		case <-missed: // no party waits for it
			b.Abort()
			wantErr(t, "after an abort", <-got, shmsync.ErrBroken)
			missed = nil
		case err := <-got:
			if err != nil {
				wantErr(t, "wait", err, shmsync.ErrBroken)
			}
		case <-late:
			t.Fatal("a waiter is stuck")
		}
	}
}

// works checks that after a Reset the barrier works for three, one of them a newcomer, for some
// rounds.
func (c barrierCrash) works(t *testing.T, seg *shm.Segment, parties []*shmsync.Barrier) {
	parties[0].Reset()
	all := append(parties, newBarrier(t, openAgain(t, seg), 3, shmsync.BarrierOptions{}))
	for round := range 3 {
		got := make(chan int)
		for _, b := range all {
			go func() {
				index, err := waitBarrier(b)
				if err != nil {
					t.Errorf("round %d after: %v", round, err)
				}
				got <- index
			}()
		}
		if sum := <-got + <-got + <-got; sum != 0+1+2 {
			t.Errorf("round %d after: the indices add up to %d", round, sum)
		}
	}
	if all[0].Broken() || all[0].Waiting() != 0 {
		t.Errorf("in the end: broken %v, %d waiting", all[0].Broken(), all[0].Waiting())
	}
}
