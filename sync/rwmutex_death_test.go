//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

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
	c.Send(order)
	time.Sleep(10 * time.Millisecond)
	return c
}

// rwInTime returns what f does, which must not take longer than survivors may need.
func rwInTime(t testing.TB, what string, f func() error) error {
	t.Helper()
	began := time.Now()
	err := f()
	if took := time.Since(began); took > soon {
		t.Errorf("%s took %v", what, took)
	} else {
		t.Logf("%s: %v after %v", what, err, took)
	}
	return err
}

// Processes that hold read locks die: nobody is told, a writer that sleeps wakes, and others get the lock in every way.
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
		time.Sleep(10 * time.Millisecond)
		for _, c := range all {
			c.Kill()
		}
		wantErr(t, "the waiting writer", rwInTime(t, "the waiting writer", func() error { return <-got }), nil)
		m.Unlock()
		for way, lock := range rwWays {
			c := rwAgentThat(t, seg, "rlock", "ok")
			c.Kill()
			wantErr(t, way, lock(m), nil)
			rwUnlock(way, m)
		}
	}
}

// A writer dies inside. Writers hold the lock and are told, readers are told and do not hold it, whether they come
// later or wait in this process and in others. When the writer who was told says so, all is well for everybody.
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
		time.Sleep(10 * time.Millisecond)
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
			wantErr(t, "Lock", m.Lock(background), shmsync.ErrOwnerDied)
		}
		told(t, far, "try-rlock", "locked")
		told(t, far, "brief-rlock", "deadline")
		m.MarkConsistent()
		told(t, far, "try-rlock", "locked")
		m.Unlock()
		told(t, far, "try-rlock", "ok")
		wantErr(t, "RLock", m.RLock(background), nil)
		m.RUnlock()
		far.Kill()
	}
}

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

// A writer dies while it waits for a reader. Readers whom it kept out go on, here and elsewhere, and nobody is told.
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
	time.Sleep(10 * time.Millisecond)
	writer.Kill()
	wantErr(t, "a reader here", rwInTime(t, "a reader here", func() error { return <-got }), nil)
	far.Expect("ok")
	told(t, far, "try", "locked")
	m.RUnlock()
	m.RUnlock()
	told(t, far, "runlock", "ok")
	told(t, far, "lock", "ok")
	far.Kill()
	wantErr(t, "Lock", m.TryLock(), shmsync.ErrOwnerDied)
	m.MarkConsistent()
	m.Unlock()
}

// Readers that wait die, or are stopped: a writer does not wait long for their turn, and only once. Who goes on gets the lock.
func TestRWMutexWaitingReaderDies(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "Lock", m.Lock(background), nil)
	dead, stopped := rwAgentIn(t, seg, "rlock"), rwAgentIn(t, seg, "rlock")
	dead.Kill()
	stopped.Signal(syscall.SIGSTOP)
	stopped.WaitStopped()
	m.Unlock()
	var rounds []time.Duration
	for range 100 {
		began := time.Now()
		wantErr(t, "Lock", rwWithin(soon, m.Lock), nil)
		m.Unlock()
		rounds = append(rounds, time.Since(began))
	}
	t.Logf("first %v", rounds[0])
	slices.Sort(rounds)
	if rounds[50] > time.Millisecond {
		t.Errorf("half of the writers waited for %v", rounds[50])
	}
	wantErr(t, "Lock", m.Lock(background), nil)
	stopped.Signal(syscall.SIGCONT)
	time.Sleep(5 * time.Millisecond)
	m.Unlock()
	stopped.Expect("ok")
	stopped.Kill()
}

// What a process holds at Close is reported, and counts as a dead process's.
func TestRWMutexCloseWithHeldLock(t *testing.T) {
	seg := newSegment(t)
	other := startRWAgent(t, seg)
	for _, held := range []string{"read", "write", ""} {
		mine := openAgain(t, seg)
		m := newRWMutexIn(t, mine, shmsync.RWMutexOptions{})
		var kept *shm.HeldError
		switch held {
		case "read":
			wantErr(t, "RLock", m.RLock(background), nil)
		case "write":
			wantErr(t, "Lock", m.Lock(background), nil)
		}
		waiter := rwAgentIn(t, seg, "lock")
		if held == "" {
			waiter.Expect("ok")
			told(t, waiter, "unlock", "ok")
			wantErr(t, "close", mine.Close(), nil)
		} else if err := mine.Close(); !errors.As(err, &kept) || !slices.Equal(kept.Objects, []string{"a"}) {
			t.Errorf("close while it holds the %s lock: %v", held, err)
		}
		for way, lock := range rwWays {
			wantErr(t, way+" afterwards", lock(m), shmsync.ErrClosed)
		}
		m.Unlock()
		m.RUnlock()
		m.RUnlock()
		m.MarkConsistent()
		switch held {
		case "read":
			waiter.Expect("ok")
			told(t, waiter, "unlock", "ok")
		case "write":
			waiter.Expect("owner died")
			told(t, waiter, "mark", "ok")
			told(t, waiter, "unlock", "ok")
		}
		told(t, other, "try", "ok")
		told(t, other, "unlock", "ok")
		waiter.Kill()
	}
	other.Kill()
}

// Close ends waits, of the one that leads and of those behind it, for reading and for writing.
func TestRWMutexCloseEndsWaits(t *testing.T) {
	for _, hold := range []string{"lock", "rlock"} {
		seg := newSegment(t)
		holder := rwAgentThat(t, seg, hold, "ok")
		mine := openAgain(t, seg)
		m := newRWMutexIn(t, mine, shmsync.RWMutexOptions{})
		got := make(chan error)
		waiters := 20
		go func() { got <- m.Lock(background) }()
		time.Sleep(10 * time.Millisecond)
		for range waiters - 1 {
			go func() { got <- m.RLock(background) }()
		}
		time.Sleep(10 * time.Millisecond)
		wantErr(t, "close", mine.Close(), nil)
		for range waiters {
			wantErr(t, "a waiter", <-got, shmsync.ErrClosed)
		}
		told(t, holder, map[string]string{"lock": "unlock", "rlock": "runlock"}[hold], "ok")
		told(t, holder, "try", "ok")
		holder.Kill()
	}
}
