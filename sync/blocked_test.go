//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// blocked-agent: SEGMENT. It does what it is told, each line an order and the name of a Mutex, and reports how that went, but
// not in doubt of the deadlock option:
//
//	lock NAME, detect NAME (a lock with DetectDeadlock), brief NAME (the same for 300 ms), unlock NAME, mark NAME
//	crowd N (the locks 0 to N-1 at once, each in a goroutine; reports when all are held), leave N (unlocks them)
var blockedAgent = proctest.Register("blocked-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	mutex := func(name string) *shmsync.Mutex {
		m, err := shmsync.NewMutex(seg, name, shmsync.MutexOptions{})
		must(err)
		return m
	}
	detecting := func(name string) *shmsync.Mutex {
		m, err := shmsync.NewMutex(seg, name, shmsync.MutexOptions{DetectDeadlock: true})
		must(err)
		return m
	}
	proctest.Say("ready")
	for {
		order, name, _ := strings.Cut(proctest.Hear(), " ")
		switch order {
		case "lock":
			err = mutex(name).Lock(background)
		case "detect":
			err = detecting(name).Lock(background)
		case "brief":
			err = lockWithin(detecting(name), 300*time.Millisecond)
		case "unlock":
			mutex(name).Unlock()
		case "mark":
			mutex(name).MarkConsistent()
		case "crowd":
			err = lockAll(mutex, name)
		case "leave":
			each(name, func(i string) { mutex(i).Unlock() })
		case "exit":
			return
		}
		if errors.Is(err, shmsync.ErrDeadlock) {
			proctest.Say("deadlock")
		} else {
			proctest.Say("%s", verdict(err))
		}
		err = nil
	}
})

func each(number string, f func(i string)) {
	var n int
	fmt.Sscan(number, &n)
	for i := range n {
		f(fmt.Sprint(i))
	}
}

func lockAll(mutex func(string) *shmsync.Mutex, number string) error {
	var wg sync.WaitGroup
	each(number, func(i string) {
		wg.Go(func() { must(mutex(i).Lock(background)) })
	})
	wg.Wait()
	return nil
}

func blockedAgents(t testing.TB, seg *shm.Segment, n int) (agents []*proctest.Child) {
	t.Helper()
	for range n {
		c := proctest.Start(t, blockedAgent, seg.Path())
		c.Expect("ready")
		agents = append(agents, c)
	}
	return agents
}

func report(t testing.TB, seg *shm.Segment) *shmsync.BlockedReport {
	t.Helper()
	r, err := shmsync.Blocked(seg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reportOf waits until that many waits are reported.
func reportOf(t testing.TB, seg *shm.Segment, waits int) (r *shmsync.BlockedReport) {
	t.Helper()
	proctest.Eventually(t, soon, func() bool {
		r = report(t, seg)
		return len(r.Waits) == waits
	}, fmt.Sprintf("there should be %d waits", waits))
	return r
}

// waitOf is the wait of a process.
func waitOf(t testing.TB, r *shmsync.BlockedReport, c *proctest.Child) shmsync.BlockedWait {
	t.Helper()
	i := slices.IndexFunc(r.Waits, func(w shmsync.BlockedWait) bool { return w.Process.PID == c.PID() })
	if i < 0 {
		t.Fatalf("process %d does not wait:\n%v", c.PID(), r)
	}
	return r.Waits[i]
}

// wantWait fails the test unless the process of waiter waits for the Mutex of that name, which the process of holder has.
func wantWait(t testing.TB, r *shmsync.BlockedReport, waiter *proctest.Child, name string, holder *proctest.Child) {
	t.Helper()
	w := waitOf(t, r, waiter)
	if w.Object != name || w.Kind != "Mutex" || w.Role != "lock" || len(w.Holders) != 1 || w.Holders[0].PID != holder.PID() {
		t.Errorf("%+v: want the wait for lock %s of %d", w, name, holder.PID())
	}
	if age := time.Since(w.Since); age < 0 || age > time.Minute {
		t.Errorf("waits for %v", age)
	}
	if w.Process.Attached.IsZero() || w.Process.Program == "" {
		t.Errorf("%+v: who is that?", w.Process)
	}
}

func TestBlockedChain(t *testing.T) {
	seg := newSegment(t)
	if r := report(t, seg); len(r.Waits) != 0 || r.String() != "nobody waits\n" {
		t.Errorf("at first: %v", r)
	}
	c := blockedAgents(t, seg, 3)
	told(t, c[0], "lock a", "ok")
	told(t, c[1], "lock b", "ok")
	c[1].Send("lock a")
	reportOf(t, seg, 1)
	c[2].Send("lock b")
	r := reportOf(t, seg, 2)
	wantWait(t, r, c[1], "a", c[0])
	wantWait(t, r, c[2], "b", c[1])
	if r.Waits[0].Process.PID != c[1].PID() || len(r.Cycles) != 0 || r.Unlisted != 0 {
		t.Errorf("the longest wait does not come first, or there are cycles:\n%v", r)
	}
	for _, part := range []string{fmt.Sprintf(`(pid %d) waits `, c[1].PID()), fmt.Sprintf(` for Mutex "a" (lock) of %v`, r.Waits[0].Holders[0])} {
		if !strings.Contains(r.String(), part) {
			t.Errorf("%q does not say %q", r, part)
		}
	}
	told(t, c[0], "unlock a", "ok")
	c[1].Expect("ok")
	told(t, c[1], "unlock b", "ok")
	c[2].Expect("ok")
	reportOf(t, seg, 0)
	exit(c...)
}

func exit(agents ...*proctest.Child) {
	for _, c := range agents {
		c.Send("exit")
		c.WaitOK()
	}
}

// circleOf has each of n new processes lock one of the locks 0 to n-1, and all but the last wait for the next one's.
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

// A cycle of processes that did not ask for its detection is reported; when one of them dies it comes apart.
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

// The error says who waits for what of whom.
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

// Who waits for its own process, or for one that waits elsewhere, is in no cycle.
func TestNoDeadlock(t *testing.T) {
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

// A process that died in the chain is no part of a cycle: its lock is taken over.
func TestDeathInCycle(t *testing.T) {
	seg := newSegment(t)
	c := circleOf(t, seg, 3)
	c[1].Kill() // it holds 1, and waits for 2, which c[2] holds
	c[0].Expect("owner died")
	told(t, c[0], "mark 1", "ok")
	if r := report(t, seg); len(r.Waits) != 0 {
		t.Errorf("the dead waits:\n%v", r)
	}
	c[2].Send("detect 0")
	reportOf(t, seg, 1)
	told(t, c[0], "unlock 0", "ok")
	c[2].Expect("ok")
	exit(c[0], c[2])
}

// A process that takes the slot of one that was killed while it waited starts without its waits.
func TestBlockedSlotIsReused(t *testing.T) {
	seg, err := shm.Create(filepath.Join(proctest.Dir(t), "segment"), shm.Options{Processes: 2})
	must(err)
	defer seg.Close()
	m := newMutex(t, seg, "a")
	must(m.Lock(background))
	for range 3 {
		c := blockedAgents(t, seg, 1)[0]
		c.Send("lock a")
		if w := reportOf(t, seg, 1).Waits[0]; w.Process.PID != c.PID() {
			t.Errorf("%+v: want the wait of %d", w, c.PID())
		}
		c.Kill()
		reportOf(t, seg, 0)
	}
	c := blockedAgents(t, seg, 1)[0]
	if r := report(t, seg); len(r.Waits)+r.Unlisted != 0 {
		t.Errorf("a new process waits:\n%v", r)
	}
	m.Unlock()
	told(t, c, "lock a", "ok")
	exit(c)
}

// A process with more waits than the board has records for it counts the rest.
func TestBlockedUnlisted(t *testing.T) {
	seg := newSegment(t)
	for round := range 2 {
		each("40", func(i string) { must(newMutex(t, seg, i).Lock(background)) })
		c := blockedAgents(t, seg, 1)[0]
		c.Send("crowd 40")
		proctest.Eventually(t, soon, func() bool {
			r := report(t, seg)
			return len(r.Waits) == 31 && r.Unlisted == 9
		}, "31 of 40 waits should be listed")
		if r := report(t, seg); !strings.Contains(r.String(), "\n9 further waits\n") {
			t.Errorf("%v", r)
		}
		each("40", func(i string) { newMutex(t, seg, i).Unlock() })
		c.Expect("ok")
		if r := reportOf(t, seg, 0); r.Unlisted != 0 {
			t.Errorf("unlisted in the end: %d", r.Unlisted)
		}
		if round == 0 {
			told(t, c, "leave 40", "ok")
			exit(c)
		} else {
			c.Kill()
		}
	}
}

func TestBlockedClosed(t *testing.T) {
	seg := newSegment(t)
	m, other := newMutex(t, seg, "a"), newMutex(t, seg, "a")
	must(m.Lock(background))
	done := make(chan error)
	go func() { done <- other.Lock(background) }()
	reportOf(t, seg, 1)
	again, err := shm.Open(seg.Path())
	must(err)
	defer again.Close()
	reportOf(t, again, 1)
	var held *shm.HeldError
	if err := seg.Close(); !errors.As(err, &held) {
		t.Errorf("close: %v", err)
	}
	runtime.KeepAlive(m)
	if r := report(t, again); len(r.Waits) != 0 {
		t.Errorf("who has closed the segment waits:\n%v", r)
	}
	wantErr(t, "the waiter", <-done, shmsync.ErrClosed)
	_, err = shmsync.Blocked(seg)
	wantErr(t, "the report", err, shmsync.ErrClosed)
	if !strings.Contains(err.Error(), seg.Path()) {
		t.Errorf("%q does not say which segment", err)
	}
}

// A wait that ends, in whatever way, is withdrawn.
func TestBlockedWaitEnds(t *testing.T) {
	for _, policy := range []shmsync.WaitPolicy{shmsync.Adaptive, shmsync.Park, shmsync.Spin} {
		seg := newSegment(t)
		c := blockedAgents(t, seg, 1)[0]
		told(t, c, "lock a", "ok")
		m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{Wait: policy})
		must(err)
		ctx, cancel := context.WithCancel(background)
		done := make(chan error)
		go func() { done <- m.Lock(ctx) }()
		reportOf(t, seg, 1)
		cancel()
		wantErr(t, "cancelled", <-done, context.Canceled)
		if r := report(t, seg); len(r.Waits) != 0 {
			t.Errorf("%v: after the wait:\n%v", policy, r)
		}
		exit(c)
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}
