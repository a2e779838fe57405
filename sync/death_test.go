//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// The three ways to lock.
var ways = map[string]func(*shmsync.Mutex) error{
	"Lock":       func(m *shmsync.Mutex) error { return m.Lock(background) },
	"TryLock":    (*shmsync.Mutex).TryLock,
	"timed Lock": func(m *shmsync.Mutex) error { return lockWithin(m, soon) },
}

// A12 (Lock), A13 (TryLock), A14 (Lock with a deadline): the holder of two locks dies; the next
// lock of each says so, without the lock; LockRepair gets it, repairs, unlocks: it is usable again.
// Four rounds.
func TestHolderOfTwoDies(t *testing.T) {
	for way, lock := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			seg := newSegment(t)
			locks := []*shmsync.Mutex{newMutex(t, seg, "a"), newMutex(t, seg, "b")}
			for range 4 {
				pid := dieHolding(t, seg, "a", "b")
				for _, m := range locks {
					wantErr(t, "after the death", lock(m), shmsync.ErrOwnerDied)
					wantPanic(t, "Unlock after it", "does not hold", m.Unlock)
					if died := repair(t, m); died.PID != pid {
						t.Errorf("%+v died, and not %d", died, pid)
					}
				}
				for _, m := range locks {
					wantErr(t, "after the repair", lock(m), nil)
					m.Unlock()
				}
			}
		})
	}
}

// A15, A16, A17: after a repair that fails every later lock, try and timed lock says that the owner
// died, again and again, in every process and by every handle, until a repair succeeds.
func TestWaitsForRepair(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	other := startAgent(t, seg)
	again, err := shmsync.OpenMutex(seg, "a", shmsync.MutexOptions{})
	wantErr(t, "another handle", err, nil)
	pid := dieHolding(t, seg, "a")
	var first *shmsync.OwnerDiedError
	for range 3 {
		for way, lock := range ways {
			for _, m := range []*shmsync.Mutex{m, again} {
				var died *shmsync.OwnerDiedError
				if err := lock(m); !errors.As(err, &died) || died.PID != pid {
					t.Fatalf("%s: %v, want the death of %d", way, err, pid)
				}
				if first == nil {
					first = died
				}
				if *died != *first {
					t.Errorf("%s: %+v, first %+v", way, died, first)
				}
				wantPanic(t, "Unlock after "+way, "does not hold", m.Unlock)
			}
		}
		for _, order := range []string{"lock a", "try a", "timed a"} {
			told(t, other, order, "owner died")
		}
		wantErr(t, "a repair that fails", m.LockRepair(background, func(*shmsync.OwnerDiedError) error { return errOnce }), errOnce)
		wantPanic(t, "a repair that panics", "sorry", func() {
			m.LockRepair(background, func(*shmsync.OwnerDiedError) error { panic("sorry") })
		})
	}
	repair(t, again)
	for way, lock := range ways {
		wantErr(t, way, lock(m), nil)
		m.Unlock()
	}
	told(t, other, "try a", "ok")
	other.Kill()
}

// Waiters in several processes, and several in one, all learn that a repair failed.
func TestFailedRepairWakesAll(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	dieHolding(t, seg, "a")
	var others []*proctest.Child
	here := make(chan error)
	wantErr(t, "a repair that fails", m.LockRepair(background, func(*shmsync.OwnerDiedError) error {
		for range 3 {
			c := startAgent(t, seg)
			c.Send("lock a")
			others = append(others, c)
		}
		for range 20 {
			go func() { here <- m.Lock(background) }()
		}
		asleepOn(t, seg, "a", 4) // three processes, and this one; its goroutines count as one wait
		return errOnce
	}), errOnce)
	for range 20 {
		wantErr(t, "a waiter in the process that repaired in vain", <-here, shmsync.ErrOwnerDied)
	}
	for _, c := range others {
		c.Expect("owner died")
		c.Kill()
	}
}

// A20: three successive owners each die holding.
func TestThreeOwnersDie(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	var last *proctest.Child
	for i, want := range []string{"ok", "owner died", "owner died"} {
		last = startAgent(t, seg)
		told(t, last, "lock a", want)
		if i > 0 {
			told(t, last, "repair a", "ok")
		}
		last.Kill()
	}
	wantErr(t, "after three deaths", m.Lock(background), shmsync.ErrOwnerDied)
	if died := repair(t, m); died.PID != last.PID() {
		t.Errorf("%+v died, and not %d", died, last.PID())
	}
	wantErr(t, "after the repair", m.TryLock(), nil)
	m.Unlock()
}

// A waiter that is asleep is told when the holder is killed, and which process it was.
func TestWaiterIsToldWhoDied(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	holder := startAgent(t, seg)
	told(t, holder, "lock a", "ok")
	got := make(chan error)
	go func() { got <- m.Lock(background) }()
	asleepOn(t, seg, "a", 1)
	before := time.Now()
	holder.Kill()
	err := <-got
	wantErr(t, "the waiter", err, shmsync.ErrOwnerDied)
	var died *shmsync.OwnerDiedError
	if !errors.As(err, &died) {
		t.Fatalf("%T does not say who died", err)
	}
	program := filepath.Base(os.Args[0])
	if len(program) > 23 {
		program = program[:23]
	}
	if exe := "exe"; died.PID != holder.PID() || died.Program != program && died.Program != exe {
		t.Errorf("%+v died, and not %d, %s", died, holder.PID(), program)
	}
	if died.Attached.After(before) || died.Noticed.Before(before) || died.Noticed.After(time.Now()) {
		t.Errorf("attached at %v, death noticed at %v, killed after %v", died.Attached, died.Noticed, before)
	}
	for _, want := range []string{fmt.Sprintf("(pid %d)", holder.PID()), `mutex "a" of ` + seg.Path(), "LockRepair"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	repair(t, m)
}

// A23: locks that the parent holds are neither released nor marked when a child ends, in whatever
// way, that has nothing to do with them, or waits for them.
func TestChildEnds(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	wantErr(t, "lock", m.Lock(background), nil)
	for _, order := range []string{"try b", "try a", "lock a"} {
		for _, end := range []string{"kill", "exit"} {
			c := startAgent(t, seg)
			c.Send(order)
			if order == "lock a" {
				asleepOn(t, seg, "a", 1)
			} else {
				c.Line()
			}
			if end == "exit" && order != "lock a" {
				c.Send("exit")
				c.WaitOK()
			} else {
				c.Kill()
			}
			wantErr(t, "after the end of a child", m.TryLock(), shmsync.ErrLocked)
		}
	}
	m.Unlock()
	wantErr(t, "unlocked", m.TryLock(), nil)
	m.Unlock()
}

// A26: ten locks held by one process that dies: ten waiters in ten processes all wake.
func TestTenLocksTenWaiters(t *testing.T) {
	const n = 10
	seg := newSegment(t)
	holder := startAgent(t, seg)
	told(t, holder, fmt.Sprint("lock-all ", n), "ok")
	var waiters []*proctest.Child
	for i := range n {
		c := startAgent(t, seg)
		c.Send(fmt.Sprint("lock ", i))
		waiters = append(waiters, c)
	}
	for i := range n {
		asleepOn(t, seg, fmt.Sprint(i), 1)
	}
	holder.Kill()
	for i, c := range waiters {
		c.Expect("owner died")
		told(t, c, fmt.Sprint("repair ", i), "ok")
		told(t, c, fmt.Sprint("unlock ", i), "ok")
		c.Kill()
	}
}

// A30: the death of a grandchild is seen, and its parent's, which holds nothing, is not taken for
// it.
func TestGrandchildDies(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	child := startAgent(t, seg)
	told(t, child, "spawn", "ready") // from here on the grandchild answers
	told(t, child, "lock a", "ok")
	wantErr(t, "while the grandchild lives", m.TryLock(), shmsync.ErrLocked)
	child.Kill() // takes the grandchild with it
	err := m.Lock(background)
	wantErr(t, "after the death", err, shmsync.ErrOwnerDied)
	var died *shmsync.OwnerDiedError
	if !errors.As(err, &died) || died.PID == child.PID() || died.PID == 0 {
		t.Errorf("%+v died, and not a child of %d", died, child.PID())
	}
	repair(t, m)
}
