//go:build linux

package lock

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// A goroutine that began to wait for an event before it was set and cleared, and comes to its wait only after another
// has begun to wait for the next time, is not held up by that.
func TestLateWaiterIsNotHeldUp(t *testing.T) {
	r := visit(t, newRoom(t))
	e := NewEvent(r.party, r.cell(0), wait.Parking)
	began := e.f.word.Load()
	e.Set()
	e.Clear()
	leader := proctest.MustBlock(t, func() { e.Wait(background) })
	for range 3 {
		ctx, cancel := context.WithTimeout(background, 10*time.Second)
		start := time.Now()
		if err := e.wait(ctx, began); err != nil || time.Since(start) > time.Second {
			t.Errorf("it waited for %v: %v", time.Since(start), err)
		}
		cancel()
	}
	e.Set()
	<-leader
}

// Those who follow a leader that gives up have another one, and are woken as before.
func TestHerdLeaderGivesUp(t *testing.T) {
	r := visit(t, newRoom(t))
	e := NewEvent(r.party, r.cell(0), wait.Parking)
	ctx, cancel := context.WithCancel(background)
	leader := proctest.MustBlock(t, func() { e.Wait(ctx) })
	got := make(chan error)
	for range 10 {
		go func() { got <- e.Wait(background) }()
	}
	time.Sleep(5 * time.Millisecond)
	cancel()
	<-leader
	select {
	case err := <-got:
		t.Fatalf("a follower has returned: %v", err)
	case <-time.After(5 * time.Millisecond):
	}
	start := time.Now()
	e.Set()
	for range 10 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > 900*time.Millisecond {
		t.Errorf("they needed %v, as if nobody had woken them", took)
	}
}
