//go:build linux

package shmsync_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A waiter that was killed is not notified in the place of others, nor counted.
func TestCondWaiterDies(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			c := newCond(t, seg, "c")
			survivors := []*proctest.Child{startCondAgent(t, seg, policy), startCondAgent(t, seg, policy)}
			for range 4 {
				victim := startCondAgent(t, seg, policy)
				for _, a := range append(survivors, victim) {
					a.Send("wait 1")
				}
				waitingUnlocked(t, seg, c, 3)
				victim.Kill()
				waiting(t, c, 2)
				c.Notify(2)
				for _, a := range survivors {
					a.Expect("ok")
				}
				waiting(t, c, 0)
			}
			for _, a := range survivors {
				a.Kill()
			}
		})
	}
}

// stopWaiting has a new process wait n times, and stops it when it has given up the lock.
func stopWaiting(t *testing.T, seg *shm.Segment, c *shmsync.Cond, n int) *proctest.Child {
	t.Helper()
	victim := startCondAgent(t, seg, shmsync.Park)
	before := c.Waiting()
	victim.Send(fmt.Sprint("wait ", n))
	waitingUnlocked(t, seg, c, before+n)
	victim.Signal(syscall.SIGSTOP)
	victim.WaitStopped()
	return victim
}

// A signal to a process that dies before it runs reaches another waiter: one that came before the
// signal, or after it, or after the death; whatever its policy.
func TestCondSignalledWaiterDies(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			c := newCond(t, seg, "c")
			other := startCondAgent(t, seg, policy)
			for round := range 4 {
				when := []string{"before the signal", "after the signal"}[round%2]
				if when == "before the signal" {
					other.Send("wait 1")
					waiting(t, c, 1)
				}
				victim := stopWaiting(t, seg, c, 2)
				// processes take turns: three signals reach the victim's both, and the other's
				if when == "before the signal" {
					c.Notify(3)
					other.Expect("ok")
				} else {
					c.Notify(2)
				}
				waiting(t, c, 0)
				other.Send("wait 3")
				waiting(t, c, 3)
				silent(t, other)
				began := time.Now()
				victim.Kill()
				other.Expect("ok")
				other.Expect("ok")
				took := time.Since(began)
				t.Logf("waited %s: %v after the death", when, took)
				waiting(t, c, 1)
				silent(t, other)
				c.Signal()
				other.Expect("ok")
			}
			other.Kill()
		})
	}
}

// A process that came back from the signal, but has not the lock yet, is no exception.
func TestCondSignalledWaiterDiesWaitingForLock(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	other := startCondAgent(t, seg, shmsync.Park)
	for range 3 {
		victim := startCondAgent(t, seg, shmsync.Park)
		victim.Send("wait 1")
		waiting(t, c, 1)
		other.Send("wait 2")
		waiting(t, c, 3)
		wantErr(t, "lock", m.Lock(background), nil)
		c.Notify(2) // processes take turns: each is signalled once
		waiting(t, c, 1)
		time.Sleep(5 * time.Millisecond) // both wait for the lock
		victim.Kill()
		waiting(t, c, 0) // the other has been granted two
		m.Unlock()
		other.Expect("ok")
		other.Expect("ok")
	}
	other.Kill()
}

// A signal whose only waiter dies is lost. It is not kept for waiters that come after the death was
// seen.
func TestCondLastWaiterDies(t *testing.T) {
	seg := newSegment(t)
	c := newCond(t, seg, "c")
	victim := stopWaiting(t, seg, c, 1)
	c.Signal()
	victim.Kill()
	c.Signal() // sees the death
	waiting(t, c, 0)
	other := startCondAgent(t, seg, shmsync.Adaptive)
	told(t, other, "timed 20ms", "deadline")
	other.Kill()
}

// A process dies while it holds the lock of the waiters, and there is no notification: some return
// all the same, and those that find the lock waiting for repair are told. A waiter that was
// notified, and waits for the lock, is told as any other.
func TestCondHolderDies(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seg := newSegment(t)
			c := newCond(t, seg, "c")
			others := []*proctest.Child{startCondAgent(t, seg, policy), startCondAgent(t, seg, policy)}
			for _, a := range others {
				a.Send("wait 2")
			}
			waiting(t, c, 4)
			holder := startCondAgent(t, seg, shmsync.Adaptive)
			told(t, holder, "hold", "ok")
			silent(t)
			waiting(t, c, 4)
			holder.Kill()
			began := time.Now()
			proctest.Eventually(t, hangs, func() bool { return c.Waiting() < 4 }, "a waiter returns")
			took := time.Since(began)
			c.Broadcast()
			deaths := 0
			for _, a := range others {
				for range 2 {
					if line := a.Line(); line == "owner died" {
						deaths++
					} else if line != "ok" {
						t.Errorf("a waiter returned with %s", line)
					}
				}
			}
			if deaths == 0 {
				t.Error("no waiter was told of the death")
			}
			t.Logf("the first returned %v after the death", took)
			waiting(t, c, 0)

			others[0].Send("wait 1")
			waiting(t, c, 1)
			holder = startCondAgent(t, seg, shmsync.Adaptive)
			told(t, holder, "hold", "ok")
			c.Signal() // the waiter waits for the lock now
			silent(t, others[0])
			holder.Kill()
			others[0].Expect("owner died")
			for _, a := range others {
				a.Kill()
			}
		})
	}
}

// halfWaiting is a lock that is never given up.
type halfWaiting struct{ *shmsync.Mutex }

func (halfWaiting) Unlock() {
	proctest.Say("counted")
	proctest.Hear() // nothing, until it is killed
}

// cond-half-waiter: SEGMENT. It waits, but does not get as far as giving up the lock "m".
var condHalfWaiter = proctest.Register("cond-half-waiter", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	c, err := shmsync.NewCond(seg, "c", shmsync.CondOptions{})
	must(err)
	m, err := shmsync.NewMutex(seg, "m", shmsync.MutexOptions{})
	must(err)
	must(m.Lock(background))
	must(c.Wait(background, halfWaiting{m}))
})

// A process is counted as a waiter, and dies before it has given up the lock. It is not counted any
// more, and counts as a dead holder. The next locker is told, or a waiter, without a signal.
func TestCondWaiterDiesHolding(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seg := newSegment(t)
			c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
			other := startCondAgent(t, seg, policy)
			for _, others := range []int{0, 1} {
				if others == 1 {
					other.Send("wait 1")
					waitingUnlocked(t, seg, c, 1)
				}
				victim := proctest.Start(t, condHalfWaiter, seg.Path())
				victim.Expect("counted")
				if n := c.Waiting(); n != others+1 {
					t.Errorf("%d wait, want %d", n, others+1)
				}
				wantErr(t, "the lock", m.TryLock(), shmsync.ErrLocked)
				victim.Kill()
				if others == 1 {
					other.Expect("owner died")
				} else {
					wantErr(t, "the lock", m.Lock(background), shmsync.ErrOwnerDied)
					repair(t, m)
				}
				waiting(t, c, 0)
				wantErr(t, "lock what was repaired", lockWithin(m, soon), nil)
				m.Unlock()
			}
			other.Kill()
		})
	}
}

// A process that signals, or broadcasts, is killed at a random moment, again and again. All waiters
// return with the broadcast that follows, at the latest, and the waiters of a complete broadcast
// need no other.
func TestCondNotifierDies(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	c := newCond(t, seg, "c")
	others := []*proctest.Child{startCondAgent(t, seg, shmsync.Park), startCondAgent(t, seg, shmsync.Adaptive)}
	for i := range 12 {
		for _, a := range others {
			a.Send("wait 3")
		}
		waiting(t, c, 6)
		notifier := startCondAgent(t, seg, shmsync.Park)
		notifier.Send([]string{"broadcast", "signal", "notify 4"}[i%3])
		proctest.Stagger(200 * time.Microsecond) // a random moment is the subject
		notifier.Kill()
		c.Broadcast()
		waiting(t, c, 0)
		for _, a := range others {
			for range 3 {
				a.Expect("ok")
			}
		}
	}
	for _, a := range others {
		a.Kill()
	}
}

// As many processes as the segment has room for wait and die, twice: their seats are used again.
func TestCondSeatsAreReused(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	c := newCond(t, seg, "c")
	size := func() int { return len(payload(t, seg, condKind, "c")) }
	was := size()
	for range 40 {
		victim := startCondAgent(t, seg, shmsync.Park)
		victim.Send("wait 1")
		waitingUnlocked(t, seg, c, 1)
		victim.Kill()
		waiting(t, c, 0)
	}
	if high := seats(t, seg); high > 2 || size() != was {
		t.Errorf("%d seats were handed out", high)
	}
}
