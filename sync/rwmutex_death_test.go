//go:build linux

package shmsync_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// rwWays are the ways to lock for writing and for reading.
var rwWays = map[string]func(*shmsync.RWMutex) error{
	"Lock":     func(m *shmsync.RWMutex) error { return rwWithin(soon, m.Lock) },
	"TryLock":  (*shmsync.RWMutex).TryLock,
	"RLock":    func(m *shmsync.RWMutex) error { return rwWithin(soon, m.RLock) },
	"TryRLock": (*shmsync.RWMutex).TryRLock,
}

func rwUnlock(way string, m *shmsync.RWMutex) {
	if way == "Lock" || way == "TryLock" {
		m.Unlock()
	} else {
		m.RUnlock()
	}
}

// rwAgentThat starts an agent and has it do something.
func rwAgentThat(t testing.TB, seg *shm.Segment, order, want string) *proctest.Child {
	t.Helper()
	c := startRWAgent(t, seg)
	told(t, c, order, want)
	return c
}

// rwAgentIn starts an agent that waits in an order.
func rwAgentIn(t testing.TB, seg *shm.Segment, order string) *proctest.Child {
	t.Helper()
	c := startRWAgent(t, seg)
	before := waitsFor(seg, "a")
	c.Send(order)
	asleepOn(t, seg, "a", before+1)
	return c
}

// Processes that hold read locks die. No caller is told, a writer that sleeps wakes up, and others
// get the lock in every way.
func TestRWMutexReaderDies(t *testing.T) {
	for _, readers := range []int{1, 3, 6} {
		seg := newSegment(t)
		m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
		var all []*proctest.Child
		for range readers {
			all = append(all, rwAgentThat(t, seg, "rlock", "ok"))
		}
		got := make(chan error)
		go func() { got <- m.Lock(background) }()
		asleepOn(t, seg, "a", 1)
		for _, c := range all {
			c.Kill()
		}
		wantErr(t, "the waiting writer", <-got, nil)
		m.Unlock()
		for way, lock := range rwWays {
			c := rwAgentThat(t, seg, "rlock", "ok")
			c.Kill()
			wantErr(t, way, lock(m), nil)
			rwUnlock(way, m)
		}
	}
}

// A writer dies inside. Writers and readers are told and do not hold the lock, whether they come
// later or wait in this process and in others, until one repairs.
func TestRWMutexWriterDies(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	for way := range rwWays {
		writer := rwAgentThat(t, seg, "lock", "ok")
		far := rwAgentIn(t, seg, "rlock")
		near := make(chan error)
		for range 20 {
			go func() { near <- m.RLock(background) }()
		}
		asleepOn(t, seg, "a", 2)
		writer.Kill()
		for range 20 {
			wantErr(t, "a reader that waits here", <-near, shmsync.ErrOwnerDied)
		}
		far.Expect("owner died")
		err := rwWays[way](m)
		wantErr(t, way, err, shmsync.ErrOwnerDied)
		var died *shmsync.OwnerDiedError
		if !errors.As(err, &died) || died.PID != writer.PID() {
			t.Errorf("%+v died, and not %d", died, writer.PID())
		}
		if way == "RLock" || way == "TryRLock" {
			wantPanic(t, "RUnlock after it", "does not hold", m.RUnlock)
		} else {
			wantPanic(t, "Unlock after it", "does not hold", m.Unlock)
		}
		for other, lock := range rwWays {
			wantErr(t, other, lock(m), shmsync.ErrOwnerDied)
		}
		told(t, far, "try-rlock", "owner died")
		told(t, far, "brief-rlock", "owner died")
		lockRepaired(t, m)
		told(t, far, "try-rlock", "locked")
		told(t, far, "brief-rlock", "deadline")
		m.Unlock()
		told(t, far, "try-rlock", "ok")
		wantErr(t, "RLock", m.RLock(background), nil)
		m.RUnlock()
		far.Kill()
	}
}

// A writer dies while it waits for a reader. Readers that it kept out go on, here and elsewhere,
// and no caller is told.
func TestRWMutexWaitingWriterDies(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "RLock", m.RLock(background), nil)
	writer := rwAgentIn(t, seg, "lock")
	wantErr(t, "TryRLock while a writer waits", m.TryRLock(), shmsync.ErrLocked)
	far, second := rwAgentIn(t, seg, "rlock"), rwAgentIn(t, seg, "lock")
	second.Kill() // it waited for the first
	got := make(chan error)
	go func() { got <- m.RLock(background) }()
	asleepOn(t, seg, "a", 3) // the writer, the reader far away, and those here
	writer.Kill()
	wantErr(t, "a reader here", <-got, nil)
	far.Expect("ok")
	told(t, far, "try", "locked")
	m.RUnlock()
	m.RUnlock()
	told(t, far, "runlock", "ok")
	told(t, far, "lock", "ok")
	far.Kill()
	wantErr(t, "Lock", m.TryLock(), shmsync.ErrOwnerDied)
	repair(t, m)
}

// Readers that wait die, or are stopped: a writer does not wait long for their turn, and only once.
// A reader that goes on gets the lock.
func TestRWMutexWaitingReaderDies(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "Lock", m.Lock(background), nil)
	dead, stopped := rwAgentIn(t, seg, "rlock"), rwAgentIn(t, seg, "rlock")
	dead.Kill()
	stopped.Signal(syscall.SIGSTOP)
	stopped.WaitStopped()
	m.Unlock()
	for range 100 {
		wantErr(t, "Lock", rwWithin(soon, m.Lock), nil)
		m.Unlock()
	}
	wantErr(t, "Lock", m.Lock(background), nil)
	stopped.Signal(syscall.SIGCONT)
	m.Unlock()
	stopped.Expect("ok")
	stopped.Kill()
}
