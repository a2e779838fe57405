//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"testing"

	shmsync "github.com/shmkit/shmkit/sync"
)

// With a Repair function no caller is told: the first process to lock repairs, even a reader. A
// repair that fails leaves it to the next one.
func TestRWMutexRepair(t *testing.T) {
	seg := newSegment(t)
	plain := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	sorry := errors.New("not today")
	for way, lock := range rwWays {
		var result error
		repairs := 0
		m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{Repair: func() error {
			repairs++
			wantErr(t, "TryRLock during the repair", plain.TryRLock(), shmsync.ErrLocked)
			if result != nil && errors.Is(result, context.Canceled) {
				panic("repair")
			}
			return result
		}})
		rwAgentThat(t, seg, "lock", "ok").Kill()
		result = sorry
		wantErr(t, way+" and repair in vain", lock(m), sorry)
		result = context.Canceled
		wantPanic(t, way+" and panic", "repair", func() { lock(m) })
		wantErr(t, "RLock without repair", plain.TryRLock(), shmsync.ErrOwnerDied)
		result = nil
		wantErr(t, way, lock(m), nil)
		rwUnlock(way, m)
		wantErr(t, "Lock without repair", plain.TryLock(), nil)
		plain.Unlock()
		if repairs != 3 {
			t.Errorf("%s: %d repairs", way, repairs)
		}
	}
}

// Readers that wait repair, too.
func TestRWMutexWaitingReadersRepair(t *testing.T) {
	seg := newSegment(t)
	repairs := 0 // guarded by the lock
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{Repair: func() error { repairs++; return nil }})
	writer := rwAgentThat(t, seg, "lock", "ok")
	got := make(chan error)
	for range 20 {
		go func() { got <- m.RLock(background) }()
	}
	asleepOn(t, seg, "a", 1)
	writer.Kill()
	for range 20 {
		wantErr(t, "a reader", <-got, nil)
	}
	if repairs != 1 {
		t.Errorf("%d repairs", repairs)
	}
	for range 20 {
		m.RUnlock()
	}
}

// Without a repair the death is reported to all lockers, those that wait included, again and again.
// A repair that fails changes nothing about that.
func TestRWMutexWaitsForRepair(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	holder := rwAgentThat(t, seg, "lock", "ok")
	reader, writer := rwAgentIn(t, seg, "rlock"), rwAgentIn(t, seg, "lock")
	near := make(chan error)
	go func() { near <- m.RLock(background) }()
	holder.Kill()
	reader.Expect("owner died")
	writer.Expect("owner died")
	wantErr(t, "a reader here", <-near, shmsync.ErrOwnerDied)
	for range 2 {
		for way, lock := range rwWays {
			wantErr(t, way, lock(m), shmsync.ErrOwnerDied)
		}
		told(t, reader, "try-rlock", "owner died")
		told(t, writer, "try", "owner died")
		wantErr(t, "a repair that fails", m.LockRepair(background, func(e *shmsync.OwnerDiedError) error {
			if e.PID != holder.PID() {
				t.Errorf("%+v died, and not %d", e, holder.PID())
			}
			return errOnce
		}), errOnce)
	}
	told(t, reader, "repair", "ok")
	told(t, reader, "unlock", "ok")
	wantErr(t, "after the repair", m.TryRLock(), nil)
	m.RUnlock()
	reader.Kill()
	writer.Kill()
}

// The process that repairs dies as well: the lock goes on waiting for repair.
func TestRWMutexRepairerDies(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	rwAgentThat(t, seg, "lock", "ok").Kill()
	rwAgentThat(t, seg, "rlock", "owner died").Kill()
	rwAgentThat(t, seg, "lock", "owner died").Kill()
	holder := rwAgentThat(t, seg, "repair", "ok")
	reader := rwAgentIn(t, seg, "rlock")
	holder.Kill()
	reader.Expect("owner died")
	wantErr(t, "Lock", m.TryLock(), shmsync.ErrOwnerDied)
	if died := repair(t, m); died.PID != holder.PID() {
		t.Errorf("%+v died, and not %d", died, holder.PID())
	}
	told(t, reader, "rlock", "ok")
	reader.Kill()
}
