//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
		return err
	}
	defer m.Unlock() // which is right whatever Wait returns
	return c.Wait(ctx, m)
}

// condWaitRepair is condWait that repairs when it is told of a death.
func condWaitRepair(ctx context.Context, c *shmsync.Cond, m *shmsync.Mutex) error {
	err := condWait(ctx, c, m)
	if errors.Is(err, shmsync.ErrOwnerDied) {
		mustLock(m)
		m.Unlock()
	}
	return err
}

func condWithin(c *shmsync.Cond, m *shmsync.Mutex, d time.Duration) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return condWait(ctx, c, m)
}

// cond-agent: SEGMENT POLICY. It does what it is told with the condition variable "c" and the lock
// "m", and reports how that went:
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
			go func() { proctest.Say("%s", verdict(condWaitRepair(background, c, m))) }()
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
	proctest.Eventually(t, hangs, func() bool { return c.Waiting() == n }, fmt.Sprintf("%d goroutines wait", n))
}

// waitingUnlocked is waiting for waiters that have also given up the lock "m". Waiters are counted
// while they still hold it, and a kill or a stop between the two would hit a holder.
func waitingUnlocked(t testing.TB, seg *shm.Segment, c *shmsync.Cond, n int) {
	t.Helper()
	waiting(t, c, n)
	m := newMutex(t, seg, "m")
	wantErr(t, "lock what the waiters have given up", lockWithin(m, soon), nil)
	m.Unlock()
}

// silent fails the test when one of the children prints a line without being asked. It asks each of
// them for something else, a few times; the answers must be the next lines.
func silent(t testing.TB, children ...*proctest.Child) {
	t.Helper()
	for range 3 {
		for _, c := range children {
			told(t, c, "notify 0", "ok")
		}
	}
}
