//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newCond(t testing.TB, seg *shm.Segment, name string) *shmsync.Cond {
	t.Helper()
	c, err := shmsync.NewCond(seg, name, shmsync.CondOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// condWait locks, waits, and unlocks what it holds after that.
func condWait(ctx context.Context, c *shmsync.Cond, m *shmsync.Mutex) error {
	if err := m.Lock(ctx); err != nil {
		if errors.Is(err, shmsync.ErrOwnerDied) {
			m.MarkConsistent()
			m.Unlock()
		}
		return err
	}
	err := c.Wait(ctx, m)
	if errors.Is(err, shmsync.ErrOwnerDied) {
		m.MarkConsistent()
	}
	if !errors.Is(err, shmsync.ErrClosed) && !errors.Is(err, shmsync.ErrNotRecoverable) {
		m.Unlock()
	}
	return err
}

func condWithin(c *shmsync.Cond, m *shmsync.Mutex, d time.Duration) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return condWait(ctx, c, m)
}

// cond-agent: SEGMENT POLICY. It does what it is told with the condition variable "c" and the lock "m", and reports how
// that went:
//
//	wait N (that many goroutines wait; each reports how it returned)
//	timed DURATION (one does), for DURATION (the same with WaitFor and a condition that never holds)
//	signal, notify N, broadcast, hold (locks), threads
var condAgent = proctest.Register("cond-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	var o shmsync.CondOptions
	_, err = fmt.Sscan(args[1], (*int)(&o.Wait))
	must(err)
	c, err := shmsync.NewCond(seg, "c", o)
	must(err)
	m, err := shmsync.NewMutex(seg, "m", shmsync.MutexOptions{})
	must(err)
	proctest.Say("ready")
	for {
		order, rest, _ := strings.Cut(proctest.Hear(), " ")
		condObey(c, m, order, rest)
	}
})

func condObey(c *shmsync.Cond, m *shmsync.Mutex, order, rest string) {
	var n int
	switch order {
	case "wait", "notify":
		_, err := fmt.Sscan(rest, &n)
		must(err)
	}
	switch order {
	case "wait":
		for range n {
			go func() { proctest.Say("%s", verdict(condWait(background, c, m))) }()
		}
	case "timed", "for":
		d, err := time.ParseDuration(rest)
		must(err)
		if order == "timed" {
			proctest.Say("%s", verdict(condWithin(c, m, d)))
			return
		}
		ctx, cancel := context.WithTimeout(background, d)
		defer cancel()
		must(m.Lock(background))
		proctest.Say("%s", verdict(c.WaitFor(ctx, m, func() bool { return false })))
		m.Unlock()
	case "signal":
		c.Signal()
		proctest.Say("ok")
	case "notify":
		c.Notify(n)
		proctest.Say("ok")
	case "broadcast":
		c.Broadcast()
		proctest.Say("ok")
	case "hold":
		proctest.Say("%s", verdict(m.Lock(background)))
	case "threads":
		proctest.Say("%d", threads())
	default:
		panic("no such order: " + order)
	}
}

func startCondAgent(t testing.TB, seg *shm.Segment, policy shmsync.WaitPolicy) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, condAgent, seg.Path(), fmt.Sprint(int(policy)))
	c.Expect("ready")
	return c
}

// waiting fails the test unless n goroutines wait, at once or soon.
func waiting(t testing.TB, c *shmsync.Cond, n int) {
	t.Helper()
	proctest.Eventually(t, 10*time.Second, func() bool { return c.Waiting() == n }, fmt.Sprintf("%d goroutines wait", n))
}

// asleep is waiting, for waiters that have given up the lock "m", too. They are counted while they still hold it: who
// kills or stops a process between the two kills or stops a holder.
func asleep(t testing.TB, seg *shm.Segment, c *shmsync.Cond, n int) {
	t.Helper()
	waiting(t, c, n)
	m := newMutex(t, seg, "m")
	wantErr(t, "lock what the waiters have given up", lockWithin(m, 10*time.Second), nil)
	m.Unlock()
}

// silent fails the test when one of the children says something within some milliseconds. It asks each of them for
// something else, whose answer must be the next line.
func silent(t testing.TB, children ...*proctest.Child) {
	t.Helper()
	time.Sleep(20 * time.Millisecond)
	for _, c := range children {
		told(t, c, "notify 0", "ok")
	}
}

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
				began := time.Now()
				c.Signal()
				other.Expect("ok")
				if took := time.Since(began); took >= soon/2 {
					t.Errorf("the wake-up took %v", took)
				}
				told(t, other, "for 2ms", "deadline")

				got := make(chan error)
				go func() { got <- condWait(background, c, m) }()
				waiting(t, c, 1)
				told(t, other, "signal", "ok")
				wantErr(t, "signalled by the other", <-got, nil)
			}
			wantErr(t, "timed wait", condWithin(c, m, time.Millisecond), context.DeadlineExceeded)
			other.Kill()
		})
	}
}

// The lock is free while somebody waits, and held when Wait returns, after a deadline, too.
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
	select {
	case err := <-got:
		t.Fatalf("returned while the lock was held: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	m.Unlock()
	wantErr(t, "signalled", <-got, nil)
	wantErr(t, "after the return", m.TryLock(), shmsync.ErrLocked)

	go func() { got <- c.Wait(ctx, m) }()
	waiting(t, c, 1)
	wantErr(t, "lock what the waiter had", lockWithin(m, soon), nil)
	cancel()
	select {
	case err := <-got:
		t.Fatalf("returned while the lock was held: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	waiting(t, c, 0)
	m.Unlock()
	wantErr(t, "cancelled", <-got, context.Canceled)
	wantErr(t, "after the return", m.TryLock(), shmsync.ErrLocked)

	wantErr(t, "with a context that has ended", c.Wait(ctx, m), context.Canceled)
	wantErr(t, "after that", m.TryLock(), shmsync.ErrLocked)
	m.Unlock()
}

// A43: exactly n of those that wait in several processes return after notify(n), none is left after notify_all, and
// notifications that find nobody are forgotten.
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
			told(t, all[1], "notify 6", "ok") // the notifier waits, too; its report comes before, among or after those of its waiters
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
				began := time.Now()
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
				if took := time.Since(began); took > soon/2 {
					t.Errorf("all were through after %v", took)
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

	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	calls := 0
	wantErr(t, "never holds", c.WaitFor(ctx, m, func() bool { calls++; return false }), context.DeadlineExceeded)
	if took := time.Since(began); took < 20*time.Millisecond || calls != 2 {
		t.Errorf("%d calls in %v", calls, took)
	}
	calls = 0
	wantErr(t, "holds when the time is over", c.WaitFor(ctx, m, func() bool { calls++; return calls == 2 }), nil)
	wantErr(t, "the lock", m.TryLock(), shmsync.ErrLocked)
	m.Unlock()
}
