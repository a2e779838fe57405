//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A34: wait and timed wait across processes, whatever the policy.
func TestCondWait(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
			other := startCondAgent(t, seg, policy)
			for range 10 {
				told(t, other, "timed 2ms", "deadline")
				waiting(t, c, 0)
				other.Send("timed 20s")
				waiting(t, c, 1)
				silent(t)
				c.Signal()
				other.Expect("ok")
				told(t, other, "for 2ms", "deadline")

				got := make(chan error)
				go func() { got <- condWait(background, c, m) }()
				waiting(t, c, 1)
				told(t, other, "signal", "ok")
				wantErr(t, "signalled by the other", <-got, nil)
			}
			//clock: the time-out is the subject
			wantErr(t, "timed wait", condWithin(c, m, time.Millisecond), context.DeadlineExceeded)
			other.Kill()
		})
	}
}

// The lock is free during a Wait, and held when Wait returns, after a deadline, too.
func TestCondLock(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	ctx, cancel := context.WithCancel(background)
	wantErr(t, "lock", m.Lock(background), nil)
	got := make(chan error)
	go func() { got <- c.Wait(ctx, m) }()
	waiting(t, c, 1)
	wantErr(t, "lock what the waiter had", lockWithin(m, soon), nil)
	c.Signal()
	asleepOn(t, seg, "m", 1)
	m.Unlock()
	wantErr(t, "signalled", <-got, nil)
	wantErr(t, "after the return", m.TryLock(), shmsync.ErrLocked)

	go func() { got <- c.Wait(ctx, m) }()
	waiting(t, c, 1)
	wantErr(t, "lock what the waiter had", lockWithin(m, soon), nil)
	cancel()
	asleepOn(t, seg, "m", 1)
	waiting(t, c, 0)
	m.Unlock()
	wantErr(t, "cancelled", <-got, context.Canceled)
	wantErr(t, "after the return", m.TryLock(), shmsync.ErrLocked)

	wantErr(t, "with a context that has ended", c.Wait(ctx, m), context.Canceled)
	wantErr(t, "after that", m.TryLock(), shmsync.ErrLocked)
	m.Unlock()
}

// A43: exactly n of the waiters in several processes return after notify(n), none is left after
// notify_all, and notifications without a waiter are forgotten.
func TestCondNotify(t *testing.T) {
	seg := newSegment(t)
	c := newCond(t, seg, "c")
	var all []*proctest.Child
	for range 3 {
		all = append(all, startCondAgent(t, seg, shmsync.Park))
	}
	c.Signal()
	c.Notify(5)
	c.Broadcast()
	for _, a := range all {
		a.Send("wait 4")
	}
	waiting(t, c, 12)
	silent(t, all...)
	for _, n := range []int{0, -1, 3, 6} {
		before := c.Waiting()
		if n == 6 {
			// the notifier waits, too; its report comes before, among or after those of its waiters
			told(t, all[1], "notify 6", "ok")
		} else {
			c.Notify(n)
		}
		waiting(t, c, before-max(n, 0))
		for _, a := range all { // processes are notified in turn
			for range max(n, 0) / 3 {
				a.Expect("ok")
			}
		}
		silent(t, all...)
	}
	c.Broadcast()
	waiting(t, c, 0)
	for _, a := range all {
		a.Expect("ok")
	}
	silent(t, all...)
	for _, a := range all {
		a.Send("wait 1")
	}
	waiting(t, c, 3)
	c.Notify(100)
	for _, a := range all {
		a.Expect("ok")
	}
	for _, a := range all {
		told(t, a, "timed 2ms", "deadline")
		a.Kill()
	}
}

// A39: ten processes of three goroutines wait, and all return from one broadcast, again and again.
func TestCondStorm(t *testing.T) {
	for name, policy := range map[string]shmsync.WaitPolicy{"adaptive": shmsync.Adaptive, "park": shmsync.Park} {
		t.Run(name, func(t *testing.T) {
			const processes, each = 10, 3
			seg := newSegment(t)
			c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
			var all []*proctest.Child
			for range processes {
				all = append(all, startCondAgent(t, seg, policy))
			}
			for round := range 10 {
				for _, a := range all {
					a.Send(fmt.Sprint("wait ", each))
				}
				waiting(t, c, processes*each)
				wantErr(t, "lock", m.Lock(background), nil)
				if round%2 == 0 {
					c.Broadcast()
					m.Unlock()
				} else {
					m.Unlock()
					c.Broadcast()
				}
				for _, a := range all {
					for range each {
						a.Expect("ok")
					}
				}
				waiting(t, c, 0)
			}
			for _, a := range all {
				a.Kill()
			}
		})
	}
}

// A43: WaitFor returns when its condition holds, and not before, or with the deadline.
func TestCondWaitFor(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	n := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		must(m.Lock(background))
		must(c.WaitFor(background, m, func() bool { return n == 3 }))
		if n != 3 {
			t.Errorf("returned with %d", n)
		}
		n = 10
		m.Unlock()
	})
	for range 3 {
		waiting(t, c, 1)
		wantErr(t, "lock", m.Lock(background), nil)
		n++
		c.Signal()
		m.Unlock()
	}
	wg.Wait()
	wantErr(t, "lock", m.Lock(background), nil)
	wantErr(t, "holds already", c.WaitFor(background, m, func() bool { return n == 10 }), nil)

	//clock: the time-out is the subject
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	calls := 0
	wantErr(t, "never holds", c.WaitFor(ctx, m, func() bool { calls++; return false }), context.DeadlineExceeded)
	//clock: at least so long
	if took := time.Since(began); took < 20*time.Millisecond || calls != 2 {
		t.Errorf("%d calls in %v", calls, took)
	}
	calls = 0
	wantErr(t, "holds when the time is over", c.WaitFor(ctx, m, func() bool { calls++; return calls == 2 }), nil)
	wantErr(t, "the lock", m.TryLock(), shmsync.ErrLocked)
	m.Unlock()
}
