//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// repairing is a handle of lock a with a Repair function.
func repairing(t *testing.T, seg *shm.Segment, repair func() error) *shmsync.Mutex {
	t.Helper()
	m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{Repair: repair})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Repair runs once after a death, with the lock held, for each way of locking. No caller is told of
// the death.
func TestRepairSucceeds(t *testing.T) {
	for way, lock := range ways {
		t.Run(way, func(t *testing.T) {
			seg := newSegment(t)
			other := startAgent(t, seg)
			runs := 0
			m := repairing(t, seg, func() error {
				runs++
				told(t, other, "try a", "locked")
				return nil
			})
			wantErr(t, "free", lock(m), nil)
			m.Unlock()
			dieHolding(t, seg, "a")
			for range 2 {
				wantErr(t, "after the death", lock(m), nil)
				m.Unlock()
			}
			if runs != 1 {
				t.Errorf("Repair ran %d times", runs)
			}
			told(t, other, "try a", "ok")
			other.Kill()
		})
	}
}

// When Repair fails, panics, or ends its goroutine, the lock is not held, and the next locker has
// the same task: here first one with the same handle, then another process.
func TestRepairFails(t *testing.T) {
	broken := errors.New("beyond repair")
	for how, fail := range map[string]func() error{
		"error":  func() error { return broken },
		"panic":  func() error { panic(broken) },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(how, func(t *testing.T) {
			seg := newSegment(t)
			dieHolding(t, seg, "a")
			m := repairing(t, seg, fail)
			for way, lock := range ways {
				if err := outcome(func() error { return lock(m) }); how != "Goexit" && !errors.Is(err, broken) {
					t.Errorf("%s: %v", way, err)
				}
			}
			other := startAgent(t, seg)
			told(t, other, "timed a", "owner died")
			told(t, other, "repair a", "ok")
			told(t, other, "unlock a", "ok")
			other.Kill()
			wantErr(t, "repaired by another", m.TryLock(), nil)
			m.Unlock()
		})
	}
}

// outcome calls f on a goroutine of its own and returns its error, or the error that it panics
// with.
func outcome(f func() error) (err error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				err = p.(error)
			}
		}()
		err = f()
	})
	wg.Wait()
	return err
}

// A Repair function that fails wakes a waiter, which has the task then.
func TestRepairFailsBeforeWaiters(t *testing.T) {
	seg := newSegment(t)
	dieHolding(t, seg, "a")
	other := startAgent(t, seg)
	m := repairing(t, seg, func() error {
		other.Send("timed a")
		// The other process is about to sleep, or asleep, when the error comes; both must do.
		for range 100 {
			runtime.Gosched()
		}
		return errors.New("no")
	})
	if err := m.Lock(background); err == nil || errors.Is(err, shmsync.ErrOwnerDied) {
		t.Errorf("Lock: %v", err)
	}
	other.Expect("owner died")
	other.Kill()
}

// A Locker locks and unlocks, lets Repair mend what the dead left, and panics when it cannot return
// with the lock held and all well; then the lock is not held, and what is wrong stays for others to
// see.
func TestLocker(t *testing.T) {
	seg := newSegment(t)
	plain := newMutex(t, seg, "a")
	l := plain.Locker()
	var wg sync.WaitGroup
	count := 0
	for range 4 {
		wg.Go(func() {
			for range 100 {
				l.Lock()
				count++
				l.Unlock()
			}
		})
	}
	wg.Wait()
	if count != 400 {
		t.Errorf("counted to %d", count)
	}
	dieHolding(t, seg, "a")
	wantPanic(t, "Lock after a death", "died", l.Lock)
	wantErr(t, "what the Locker left", plain.TryLock(), shmsync.ErrOwnerDied)
	wantPanic(t, "Lock of a lock that waits for repair", "died", l.Lock)
	wantPanic(t, "Unlock of a lock that is not held", "does not hold", l.Unlock)

	seg = newSegment(t)
	mended := repairing(t, seg, func() error { return nil })
	dieHolding(t, seg, "a")
	mended.Locker().Lock()
	wantErr(t, "locked by the Locker", mended.TryLock(), shmsync.ErrLocked)
	mended.Locker().Unlock()
}

func wantPanic(t *testing.T, what, text string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if p := fmt.Sprint(recover()); !strings.Contains(p, text) {
			t.Errorf("%s: panic %s, want one that says %q", what, p, text)
		}
	}()
	f()
}
