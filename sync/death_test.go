//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// A12 (Lock), A13 (TryLock), A14 (Lock with a deadline): the holder of two locks dies; the next lock of each says so;
// marked consistent and unlocked, it is usable again. Four rounds.
func TestHolderOfTwoDies(t *testing.T) {
	for way, lock := range ways {
		t.Run(way, func(t *testing.T) {
			seg := newSegment(t)
			locks := []*shmsync.Mutex{newMutex(t, seg, "a"), newMutex(t, seg, "b")}
			for range 4 {
				dieHolding(t, seg, "a", "b")
				for _, m := range locks {
					wantErr(t, "after the death", lock(m), shmsync.ErrOwnerDied)
					m.MarkConsistent()
					m.Unlock()
				}
				for _, m := range locks {
					wantErr(t, "after the repair", lock(m), nil)
					m.Unlock()
				}
			}
		})
	}
}

// A15, A16, A17: unlocked without being marked consistent, a lock is not recoverable, for ever, for everybody, however
// it is locked.
func TestNotRecoverable(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	dieHolding(t, seg, "a")
	wantErr(t, "after the death", m.Lock(background), shmsync.ErrOwnerDied)
	m.Unlock()
	for range 2 {
		for way, lock := range ways {
			wantErr(t, way, lock(m), shmsync.ErrNotRecoverable)
		}
		other := startAgent(t, seg)
		for _, order := range []string{"lock a", "try a", "timed a"} {
			told(t, other, order, "not recoverable")
		}
		other.Kill()
	}
	again, err := shmsync.OpenMutex(seg, "a", shmsync.MutexOptions{})
	wantErr(t, "another handle", err, nil)
	wantErr(t, "by another handle", again.TryLock(), shmsync.ErrNotRecoverable)
}

// Waiters in several processes, and several in one, all learn that the lock is lost.
func TestNotRecoverableWakesAll(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	dieHolding(t, seg, "a")
	wantErr(t, "after the death", m.Lock(background), shmsync.ErrOwnerDied)
	var others []*proctest.Child
	for range 3 {
		c := startAgent(t, seg)
		c.Send("lock a")
		others = append(others, c)
	}
	here := make(chan error)
	for range 20 {
		go func() { here <- m.Lock(background) }()
	}
	time.Sleep(10 * time.Millisecond)
	began := time.Now()
	m.Unlock()
	for range 20 {
		wantErr(t, "a waiter in the process that unlocked", <-here, shmsync.ErrNotRecoverable)
	}
	for _, c := range others {
		c.Expect("not recoverable")
		c.Kill()
	}
	if took := time.Since(began); took > soon {
		t.Errorf("the waiters needed %v", took)
	}
}

// A20: three successive owners each die holding.
func TestThreeOwnersDie(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	for i, want := range []string{"ok", "owner died", "owner died"} {
		c := startAgent(t, seg)
		told(t, c, "lock a", want)
		if i == 1 {
			told(t, c, "mark a", "ok")
		}
		c.Kill()
	}
	wantErr(t, "after three deaths", m.Lock(background), shmsync.ErrOwnerDied)
	m.MarkConsistent()
	m.Unlock()
	wantErr(t, "after the repair", m.TryLock(), nil)
	m.Unlock()
}

// A waiter that is asleep gets the lock when the holder is killed, and is told who it was.
func TestWaiterIsToldWhoDied(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	holder := startAgent(t, seg)
	told(t, holder, "lock a", "ok")
	got := make(chan error)
	go func() { got <- m.Lock(background) }()
	time.Sleep(10 * time.Millisecond)
	began := time.Now()
	holder.Kill()
	err := <-got
	t.Logf("locked %v after the kill", time.Since(began))
	if took := time.Since(began); took > soon {
		t.Errorf("the waiter needed %v", took)
	}
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
	if d := time.Since(died.Attached); d < 0 || d > time.Minute {
		t.Errorf("attached %v ago", d)
	}
	m.MarkConsistent()
	m.Unlock()
}

// A23: locks that the parent holds are neither released nor marked when a child ends, in whatever way, that has
// nothing to do with them, or waits for them.
func TestChildEnds(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	wantErr(t, "lock", m.Lock(background), nil)
	for _, order := range []string{"try b", "try a", "lock a"} {
		for _, end := range []string{"kill", "exit"} {
			c := startAgent(t, seg)
			c.Send(order)
			time.Sleep(5 * time.Millisecond)
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
	time.Sleep(20 * time.Millisecond)
	began := time.Now()
	holder.Kill()
	for i, c := range waiters {
		c.Expect("owner died")
		told(t, c, fmt.Sprint("mark ", i), "ok")
		told(t, c, fmt.Sprint("unlock ", i), "ok")
		c.Kill()
	}
	if took := time.Since(began); took > soon {
		t.Errorf("the waiters needed %v", took)
	}
}

// A30: the death of a grandchild is seen, and its parent's, which holds nothing, is not taken for it.
func TestGrandchildDies(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	child := startAgent(t, seg)
	told(t, child, "spawn", "ready") // from here on the grandchild answers
	told(t, child, "lock a", "ok")
	wantErr(t, "while the grandchild lives", m.TryLock(), shmsync.ErrLocked)
	child.Kill() // takes the grandchild with it
	err := lockWithin(m, soon)
	wantErr(t, "after the death", err, shmsync.ErrOwnerDied)
	var died *shmsync.OwnerDiedError
	if !errors.As(err, &died) || died.PID == child.PID() || died.PID == 0 {
		t.Errorf("%+v died, and not a child of %d", died, child.PID())
	}
	m.MarkConsistent()
	m.Unlock()
}
