//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// With a Repair function nobody is told: whoever comes first repairs, be it a reader. One that fails leaves it to the next.
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
	time.Sleep(10 * time.Millisecond)
	writer.Kill()
	for range 20 {
		wantErr(t, "a reader", rwInTime(t, "a reader", func() error { return <-got }), nil)
	}
	if repairs != 1 {
		t.Errorf("%d repairs", repairs)
	}
	for range 20 {
		m.RUnlock()
	}
}

// Unlocked without being marked consistent, the lock is lost for everybody, readers that wait included.
func TestRWMutexNotRecoverable(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	rwAgentThat(t, seg, "lock", "ok").Kill()
	wantErr(t, "Lock", m.Lock(background), shmsync.ErrOwnerDied)
	reader, writer := rwAgentIn(t, seg, "rlock"), rwAgentIn(t, seg, "lock")
	near := make(chan error)
	go func() { near <- m.RLock(background) }()
	time.Sleep(10 * time.Millisecond)
	m.Unlock()
	reader.Expect("not recoverable")
	writer.Expect("not recoverable")
	wantErr(t, "a reader here", <-near, shmsync.ErrNotRecoverable)
	for way, lock := range rwWays {
		wantErr(t, way, lock(m), shmsync.ErrNotRecoverable)
	}
	late := rwAgentThat(t, seg, "try-rlock", "not recoverable")
	for _, c := range []*proctest.Child{reader, writer, late} {
		c.Kill()
	}
}

// Who was told of a death dies as well: the next one is told.
func TestRWMutexToldOneDies(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	rwAgentThat(t, seg, "lock", "ok").Kill()
	rwAgentThat(t, seg, "rlock", "owner died").Kill()
	rwAgentThat(t, seg, "lock", "owner died").Kill()
	marked := rwAgentThat(t, seg, "lock", "owner died")
	told(t, marked, "mark", "ok")
	reader := rwAgentIn(t, seg, "rlock")
	marked.Kill()
	reader.Expect("owner died")
	wantErr(t, "Lock", m.TryLock(), shmsync.ErrOwnerDied)
	m.MarkConsistent()
	m.Unlock()
	told(t, reader, "rlock", "ok")
	reader.Kill()
}
