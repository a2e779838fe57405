//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// circleOf has each of n new processes lock one of the locks 0 to n-1, and all but the last wait
// for the next one's.
func circleOf(t testing.TB, seg *shm.Segment, n int) []*proctest.Child {
	t.Helper()
	c := blockedAgents(t, seg, n)
	for i := range c {
		told(t, c[i], fmt.Sprintf("lock %d", i), "ok")
	}
	for i := range n - 1 {
		c[i].Send(fmt.Sprintf("detect %d", i+1))
	}
	r := reportOf(t, seg, n-1)
	if len(r.Cycles) != 0 {
		t.Errorf("cycles before there is one:\n%v", r)
	}
	return c
}

// A cycle of processes that did not ask for its detection is reported; when one of them dies it
// comes apart.
func TestBlockedCycle(t *testing.T) {
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			seg := newSegment(t)
			c := circleOf(t, seg, n)
			c[n-1].Send("lock 0")
			r := reportOf(t, seg, n)
			if len(r.Cycles) != 1 || len(r.Cycles[0]) != n {
				t.Fatalf("want one cycle of %d:\n%v", n, r)
			}
			for i, w := range r.Cycles[0] {
				if next := r.Cycles[0][(i+1)%n]; len(w.Holders) != 1 || w.Holders[0] != next.Process {
					t.Errorf("%+v does not wait for %+v", w, next)
				}
			}
			if !strings.Contains(r.String(), "\ncycle: ") {
				t.Errorf("%q does not say that there is a cycle", r)
			}
			c[0].Kill()
			c[n-1].Expect("owner died")
			if r := reportOf(t, seg, n-2); len(r.Cycles) != 0 {
				t.Errorf("cycles after the death:\n%v", r)
			}
			for i := n - 1; i > 0; i-- { // the last one goes on, and with it those before
				told(t, c[i], fmt.Sprintf("unlock %d", i), "ok")
				if i > 1 {
					c[i-1].Expect("ok")
				}
			}
			exit(c[1:]...)
		})
	}
}

// The attempt that would close a cycle fails, and the others go on.
func TestDeadlock(t *testing.T) {
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			seg := newSegment(t)
			c := circleOf(t, seg, n)
			last := c[n-1]
			told(t, last, "detect 0", "deadlock")
			reportOf(t, seg, n-1)
			told(t, last, fmt.Sprintf("unlock %d", n-1), "ok")
			for i := n - 2; i >= 0; i-- {
				c[i].Expect("ok")
				told(t, c[i], fmt.Sprintf("unlock %d", i+1), "ok")
				told(t, c[i], fmt.Sprintf("unlock %d", i), "ok")
			}
			told(t, last, "detect 0", "ok")
			told(t, last, "unlock 0", "ok")
			exit(c...)
		})
	}
}

// The error says which process waits for which object of which other one.
func TestDeadlockError(t *testing.T) {
	seg := newSegment(t)
	a, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{DetectDeadlock: true})
	must(err)
	b, err := shmsync.NewMutex(seg, "b", shmsync.MutexOptions{DetectDeadlock: true})
	must(err)
	c := blockedAgents(t, seg, 1)[0]
	must(a.Lock(background))
	told(t, c, "lock b", "ok")
	c.Send("lock a")
	reportOf(t, seg, 1)
	err = b.Lock(background)
	wantErr(t, "lock b", err, shmsync.ErrDeadlock)
	var d *shmsync.DeadlockError
	if !errors.As(err, &d) || len(d.Cycle) != 2 || d.Cycle[0].Object != "b" || d.Cycle[1].Object != "a" ||
		d.Cycle[0].Holders[0] != d.Cycle[1].Process || d.Cycle[1].Process.PID != c.PID() {
		t.Errorf("%+v", err)
	}
	for _, part := range []string{"deadlock: ", `waits for Mutex "b" (lock) of `, fmt.Sprintf(`(pid %d)`, c.PID()), "unlock"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	wantErr(t, "TryLock, which waits for nobody", b.TryLock(), shmsync.ErrLocked)
	wantErr(t, "a second time", b.Lock(background), shmsync.ErrDeadlock)
	a.Unlock()
	c.Expect("ok")
	exit(c)
}

// Goroutines of one process that wait behind each other find the cycle, too.
func TestDeadlockBehindAnother(t *testing.T) {
	seg := newSegment(t)
	a := newMutex(t, seg, "a")
	plain := newMutex(t, seg, "b")
	b, err := shmsync.NewMutex(seg, "b", shmsync.MutexOptions{DetectDeadlock: true})
	must(err)
	c := blockedAgents(t, seg, 1)[0]
	must(a.Lock(background))
	told(t, c, "lock b", "ok")
	done := make(chan error)
	go func() { done <- plain.Lock(background) }()
	reportOf(t, seg, 1)
	c.Send("lock a")
	reportOf(t, seg, 2)
	wantErr(t, "behind the other", lockWithin(b, soon), shmsync.ErrDeadlock)
	a.Unlock()
	c.Expect("ok")
	told(t, c, "unlock b", "ok")
	wantErr(t, "the other", <-done, nil)
	plain.Unlock()
	exit(c)
}

// A wait for the own process, or for one that waits elsewhere, is in no cycle.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	c := blockedAgents(t, seg, 3)
	told(t, c[0], "lock a", "ok")
	told(t, c[0], "brief a", "deadline") // another goroutine could unlock it
	told(t, c[1], "lock b", "ok")
	told(t, c[2], "lock c", "ok")
	c[0].Send("detect b")
	reportOf(t, seg, 1)
	c[1].Send("detect c")
	reportOf(t, seg, 2)
	d := blockedAgents(t, seg, 1)[0]
	told(t, d, "brief a", "deadline")
	told(t, c[2], "unlock c", "ok")
	c[1].Expect("ok")
	told(t, c[1], "unlock b", "ok")
	c[0].Expect("ok")
	exit(append(c, d)...)
}

// A process that died in the chain is no part of a cycle: its lock can be repaired.
func TestDeathInCycle(t *testing.T) {
	seg := newSegment(t)
	c := circleOf(t, seg, 3)
	c[1].Kill() // it holds 1, and waits for 2, which c[2] holds
	c[0].Expect("owner died")
	told(t, c[0], "repair 1", "ok")
	if r := report(t, seg); len(r.Waits) != 0 {
		t.Errorf("the dead waits:\n%v", r)
	}
	c[2].Send("detect 0")
	reportOf(t, seg, 1)
	told(t, c[0], "unlock 0", "ok")
	c[2].Expect("ok")
	exit(c[0], c[2])
}
