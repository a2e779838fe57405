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
	defer wait.SetBackstop(time.Hour)() // so that one that is held up hangs
	r := visit(t, newRoom(t))
	e := NewEvent(r.party, r.cell(0), wait.Parking)
	began := e.f.word.Load()
	e.Set()
	e.Clear()
	leader := proctest.MustBlock(t, func() { e.Wait(background) })
	for range 3 {
		if err := e.wait(background, began); err != nil {
			t.Error(err)
		}
	}
	e.Set()
	<-leader
}

// Those who follow a leader that gives up have another one, and are woken as before.
func TestHerdLeaderGivesUp(t *testing.T) {
	defer wait.SetBackstop(time.Hour)() // so that a lost wake-up hangs
	r := visit(t, newRoom(t))
	e := NewEvent(r.party, r.cell(0), wait.Parking)
	ctx, cancel := context.WithCancel(background)
	leader := proctest.MustBlock(t, func() { e.Wait(ctx) })
	got := make(chan error)
	for range 10 {
		go func() { got <- e.Wait(background) }()
	}
	proctest.Eventually(t, hangs, func() bool {
		e.herd.mu.Lock()
		defer e.herd.mu.Unlock()
		return e.herd.left != nil
	}, "the others follow")
	cancel()
	<-leader
	select {
	case err := <-got:
		t.Fatalf("a follower has returned: %v", err)
	case <-time.After(5 * time.Millisecond): //clock: that they go on waiting is the subject
	}
	e.Set()
	for range 10 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}
