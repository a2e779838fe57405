//go:build crashtest && linux

package shmsync_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// blocked-crasher: SEGMENT ACT. It waits for the lock "held", which another process has.
var blockedCrasher = proctest.Register("blocked-crasher", func(args []string) {
	var seg *shm.Segment
	open := func() {
		var err error
		seg, err = shm.Open(args[0])
		must(err)
	}
	if args[1] == "open" {
		proctest.Armed(open)
	} else {
		open()
	}
	m, err := shmsync.NewMutex(seg, "held", shmsync.MutexOptions{DetectDeadlock: true, Wait: shmsync.Park})
	must(err)
	wanted, err := shmsync.NewMutex(seg, "wanted", shmsync.MutexOptions{})
	must(err)
	switch args[1] {
	case "wait":
		proctest.Armed(func() {
			//clock: the time-out is the subject
			if err := lockWithin(m, 20*time.Millisecond); verdict(err) != "deadline" {
				panic(err)
			}
		})
	case "deadlock": // the other process waits for what this one holds
		must(wanted.Lock(background))
		for len(must1(shmsync.Blocked(seg)).Waits) == 0 {
			proctest.Stagger(2 * time.Millisecond) // between two looks
		}
		proctest.Armed(func() {
			if err := m.Lock(background); !errors.Is(err, shmsync.ErrDeadlock) {
				panic(err)
			}
			wanted.Unlock()
		})
	case "close":
		go m.Lock(background)
		for len(must1(shmsync.Blocked(seg)).Waits) == 0 {
			proctest.Stagger(2 * time.Millisecond) // between two looks
		}
		proctest.Armed(func() { must(seg.Close()) })
	}
})

// A process may die at any step of posting a wait, looking for a cycle, withdrawing the wait,
// taking its row or leaving it. The others see nothing of its waits, get what it held, and the next
// process in its slot starts clean.
func TestCrashBlocked(t *testing.T) {
	for _, act := range []string{"open", "wait", "deadlock", "close"} {
		t.Run(act, func(t *testing.T) {
			proctest.Sweep(t, 1, func(c *proctest.Crash) { crashBlocked(t, c, act) })
		})
	}
}

func crashBlocked(t *testing.T, c *proctest.Crash, act string) {
	seg, err := shm.Create(filepath.Join(proctest.Dir(t), "segment"), shm.Options{Processes: 2})
	must(err)
	defer seg.Close()
	held, wanted := newMutex(t, seg, "held"), newMutex(t, seg, "wanted")
	must(held.Lock(background))
	c.Start(blockedCrasher, seg.Path(), act)
	if act == "deadlock" {
		proctest.Eventually(t, hangs, func() bool {
			err := wanted.TryLock()
			if err == nil {
				wanted.Unlock()
			}
			return errors.Is(err, shmsync.ErrLocked)
		}, "the victim should lock")
		mustLock(wanted)
		wanted.Unlock()
	}
	c.Wait()
	nobodyWaits(t, seg)
	next := blockedAgents(t, seg, 1)[0]
	nobodyWaits(t, seg)
	next.Send("lock held")
	if r := reportOf(t, seg, 1); len(r.Waits[0].Holders) != 1 || r.Unlisted != 0 {
		t.Errorf("the next process:\n%v", r)
	}
	held.Unlock()
	next.Expect("ok")
	exit(next)
}

func nobodyWaits(t *testing.T, seg *shm.Segment) {
	t.Helper()
	if r := report(t, seg); len(r.Waits)+r.Unlisted+len(r.Cycles) != 0 {
		t.Errorf("the dead waits:\n%v", r)
	}
}
