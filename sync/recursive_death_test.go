//go:build linux

package shmsync_test

import (
	"errors"
	"testing"

	shmsync "github.com/shmkit/shmkit/sync"
)

// The holder is killed at depth 3: every later locker is told, whether it waits or comes later, and
// does not have the lock, until one repairs.
func TestRecursiveHolderDies(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		seg := newSegment(t)
		m := newRecursive(t, seg)
		h := shmsync.NewHolder()
		for range times(2) {
			victim := startRecursiveAgent(t, seg)
			told(t, victim, "deep 3", "ok")
			got := make(chan error)
			lock := func() { got <- m.Lock(background, h) }
			if waiting {
				go lock()
				asleepOn(t, seg, "r", 1)
			}
			victim.Kill()
			if !waiting {
				go lock()
			}
			err := <-got
			var died *shmsync.OwnerDiedError
			if !errors.As(err, &died) || died.PID != victim.PID() {
				t.Fatalf("who locks next: %v, want the death of %d", err, victim.PID())
			}
			wantErr(t, "once more", m.TryLock(h), shmsync.ErrOwnerDied)
			wantPanic(t, "Unlock without the lock", "does not have it locked", func() { m.Unlock(h) })
			if e := lockRepaired(t, m.As(h)); e.PID != victim.PID() {
				t.Errorf("repair of what %d left, not %d", e.PID, victim.PID())
			}
			wantErr(t, "once more after the repair", m.Lock(background, h), nil)
			m.Unlock(h)
			m.Unlock(h)
			wantErr(t, "repaired", m.Lock(background, h), nil)
			m.Unlock(h)
		}
		victim, other := startRecursiveAgent(t, seg), startRecursiveAgent(t, seg)
		told(t, victim, "deep 3", "ok")
		victim.Kill()
		told(t, other, "repair", "ok")
		told(t, other, "unlock", "ok")
		told(t, other, "lock", "ok")
		other.Kill()
		wantErr(t, "not repaired", m.Lock(background, h), shmsync.ErrOwnerDied)
		wantErr(t, "not repaired", m.TryLock(h), shmsync.ErrOwnerDied)
	}
}

// A waiter dies, and so does a process with a repair that fails: the others go on.
func TestRecursiveOthersDie(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	h := shmsync.NewHolder()
	wantErr(t, "lock", m.Lock(background, h), nil)
	waiter := startRecursiveAgent(t, seg)
	waiter.Send("lock")
	asleepOn(t, seg, "r", 1)
	waiter.Kill()
	m.Unlock(h)
	wantErr(t, "after a waiter has died", m.Lock(background, h), nil)
	m.Unlock(h)

	victim := startRecursiveAgent(t, seg)
	told(t, victim, "deep 2", "ok")
	victim.Kill()
	failing, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{Repair: func() error { return errOnce }})
	must(err)
	wantErr(t, "a repair that fails", failing.Lock(background, h), errOnce)
	wantPanic(t, "a Locker", "died", m.As(h).Locker().Lock)
	wantPanic(t, "Unlock after that", "does not have it locked", func() { m.Unlock(h) })
	wantErr(t, "the next", m.Lock(background, h), shmsync.ErrOwnerDied)
	repair(t, m.As(h))
}
