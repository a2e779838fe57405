//go:build linux

package lock

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// Followers of a leader that gives up have another leader, and are woken as before.
func TestLeaderGivesUp(t *testing.T) {
	defer wait.SetBackstop(time.Hour)() // so that a lost wake-up hangs
	r := visit(t, newRoom(t))
	e, set := r.event(0), r.counter(1)
	await := func(ctx context.Context) error {
		return e.AwaitEach(ctx, wait.Parking, func() bool { return set.Load() != 0 }, nil)
	}
	ctx, cancel := context.WithCancel(background)
	leader := proctest.MustBlock(t, func() { await(ctx) })
	got := make(chan error)
	for range 10 {
		go func() { got <- await(background) }()
	}
	proctest.Eventually(t, hangs, func() bool {
		return e.leading.left.Load() != nil
	}, "the others follow")
	cancel()
	<-leader
	select {
	case err := <-got:
		t.Fatalf("a follower has returned: %v", err)
	case <-time.After(5 * time.Millisecond): //clock: that they go on waiting is the subject
	}
	set.Store(1)
	e.NotifyAll()
	for range 10 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}

// Of goroutines that come together one leads. The others lead in their turn, are served, or give
// up.
func TestLeaderFollower(t *testing.T) {
	l, closer := NewLeaderFollower(), wait.NewCloser()
	if !l.TryLead() || l.TryLead() || !l.IsLed() {
		t.Fatal("there is not one leader")
	}
	served, left := make(chan struct{}, 1), l.Left()
	type end struct {
		leads bool
		err   error
	}
	follow := func(ctx context.Context, closer *wait.Closer, served <-chan struct{}) <-chan end {
		ended := make(chan end, 1)
		go func() {
			leads, err := l.Lead(ctx, closer, served)
			ended <- end{leads, err}
		}()
		return ended
	}
	wants := func(what string, ended <-chan end, want end) {
		t.Helper()
		if got := proctest.Ends(t, ended, what); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	waits := follow(background, closer, served)
	served <- struct{}{}
	wants("a follower that is served", waits, end{})
	ctx, cancel := context.WithCancelCause(background)
	waits = follow(ctx, closer, nil)
	cancel(ErrDamaged)
	wants("a follower whose context ends", waits, end{err: ErrDamaged})
	waits = follow(background, closer, nil)
	closer.Close()
	wants("a follower whose segment is closed", waits, end{err: ErrClosed})

	waits = follow(background, wait.NewCloser(), nil)
	l.Leave()
	wants("a follower whose leader leaves", waits, end{leads: true})
	proctest.Ends(t, left, "the lead of the first")
	if l.Leave(); l.IsLed() {
		t.Error("there is a leader when all have left")
	}
}

// Whenever a leader leaves, each follower leads, or hears of it.
func TestNoFollowerIsForgotten(t *testing.T) {
	l, closer := NewLeaderFollower(), wait.NewCloser()
	done := make(chan struct{})
	const goroutines = 8
	for range goroutines {
		go func() {
			defer func() { done <- struct{}{} }()
			for range locktest.Times(2000) {
				leads := l.TryLead()
				if !leads {
					leads, _ = l.Lead(background, closer, l.Left())
				}
				if leads {
					l.Leave()
				}
			}
		}()
	}
	for range goroutines {
		proctest.Ends(t, done, "a goroutine that leads and follows")
	}
}
