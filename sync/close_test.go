//go:build linux

package shmsync_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// openAgain attaches this process to the segment once more, until the end of the test.
func openAgain(t *testing.T, seg *shm.Segment) *shm.Segment {
	t.Helper()
	again, err := shm.Open(seg.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() }) // a test that expects an error has closed it itself
	return again
}

// Waiters get ErrClosed, the leader that sleeps in the kernel as well as those behind it, and so
// does what comes later.
func TestCloseEndsWaits(t *testing.T) {
	seg := newSegment(t)
	holder := startAgent(t, seg)
	told(t, holder, "lock a", "ok")
	mine := openAgain(t, seg)
	m := newMutex(t, mine, "a")
	got := make(chan error)
	for range 20 {
		go func() { got <- m.Lock(background) }()
	}
	asleepOn(t, seg, "a", 1)
	wantErr(t, "close", mine.Close(), nil)
	for range 20 {
		err := <-got
		wantErr(t, "a waiter", err, shmsync.ErrClosed)
		wantErr(t, "a waiter", err, os.ErrClosed)
	}
	for way, lock := range ways {
		wantErr(t, way+" afterwards", lock(m), shmsync.ErrClosed)
	}
	_, err := m.MarshalBinary()
	wantErr(t, "marshal afterwards", err, shmsync.ErrClosed)
	wantErr(t, "close again", mine.Close(), nil)
	told(t, holder, "unlock a", "ok")
	told(t, holder, "try a", "ok")
	holder.Kill()
}

// A lock that is held at Close is reported, and the next locker in another process is told of a
// dead owner, even if it sleeps. What the process does to the lock after that reaches no other
// process.
func TestCloseWithHeldLock(t *testing.T) {
	seg := newSegment(t)
	mine := openAgain(t, seg)
	locks := []*shmsync.Mutex{newMutex(t, mine, "a"), newMutex(t, mine, "b"), newMutex(t, mine, "free")}
	for _, m := range locks[:2] {
		wantErr(t, "lock", m.Lock(background), nil)
	}
	sleeper, later := startAgent(t, seg), startAgent(t, seg)
	sleeper.Send("lock a")
	asleepOn(t, seg, "a", 1)

	var held *shm.HeldError
	if err := mine.Close(); !errors.As(err, &held) {
		t.Fatalf("close: %v", err)
	}
	slices.Sort(held.Objects)
	if !slices.Equal(held.Objects, []string{"a", "b"}) {
		t.Errorf("held: %q", held.Objects)
	}
	sleeper.Expect("owner died")
	for _, m := range locks {
		m.Unlock()
		m.Unlock()
	}
	told(t, sleeper, "repair a", "ok")
	told(t, sleeper, "try a", "locked")
	told(t, later, "try a", "locked")
	told(t, later, "try b", "owner died")
	told(t, later, "try free", "ok")
	sleeper.Kill()
	later.Kill()
}

// A holder that unlocks while Close waits for it has not lost the lock. One that is late, on a busy
// machine, has.
func TestUnlockDuringClose(t *testing.T) {
	seg := newSegment(t)
	mine := openAgain(t, seg)
	m := newMutex(t, mine, "a")
	other := newMutex(t, seg, "a")
	for inTime := false; !inTime; {
		mustLock(m)
		unlocked := make(chan struct{})
		go func() {
			m.Unlock()
			close(unlocked)
		}()
		err := mine.Close()
		<-unlocked
		if inTime = err == nil; inTime {
			wantErr(t, "lock by others", other.TryLock(), nil)
			other.Unlock()
		} else {
			t.Logf("the machine is busy: %v", err)
			mine = openAgain(t, seg)
			m = newMutex(t, mine, "a")
		}
	}
}

// closer: SEGMENT. Goroutines use a lock in all ways while the segment is closed under them, again
// and again; the garbage collector runs all the time, so that what is closed is also unmapped.
var closer = proctest.Register("closer", func(args []string) {
	debug.SetGCPercent(1)
	for range times(75) {
		seg, err := shm.Open(args[0])
		must(err)
		var wg sync.WaitGroup
		closed := make(chan struct{})
		for range 4 {
			wg.Go(func() { useUntilClosed(seg, closed) })
		}
		proctest.Stagger(1000 * time.Microsecond) // a random moment is the subject
		if err := seg.Close(); err != nil && !errors.As(err, new(*shm.HeldError)) {
			panic(err)
		}
		close(closed)
		if rand.IntN(2) == 0 {
			wg.Wait() // otherwise the next round begins while goroutines of this one still end
		}
	}
	proctest.Say("done")
})

func useUntilClosed(seg *shm.Segment, closed <-chan struct{}) {
	m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{Repair: func() error { return nil }})
	for err == nil || errors.Is(err, shmsync.ErrLocked) {
		switch rand.IntN(3) {
		case 0:
			err = m.TryLock()
		case 1:
			err = m.Lock(background)
		default:
			//clock: waiters that give up are the subject
			err = lockWithin(m, time.Duration(rand.IntN(100))*time.Microsecond)
			if verdict(err) == "deadline" {
				err = shmsync.ErrLocked
			}
		}
		if err == nil {
			if rand.IntN(10) == 0 {
				runtime.Gosched()
			}
			m.Unlock()
		}
	}
	if !errors.Is(err, shmsync.ErrClosed) {
		panic(err)
	}
	if m == nil {
		return
	}
	// until then another goroutine of this process may have the lock, and is the one to unlock it
	<-closed
	m.Unlock() // as late as this the memory must still be there
	if err := m.TryLock(); !errors.Is(err, shmsync.ErrClosed) {
		panic(err)
	}
}

// Operations that race with Close end without a fault. Two processes that stay never share the lock
// meanwhile, and have it for themselves afterwards.
func TestCloseRace(t *testing.T) {
	seg := newSegment(t)
	var children []*proctest.Child
	for range 2 {
		children = append(children, proctest.Start(t, closer, seg.Path()))
	}
	var inside atomic.Int32
	var staying sync.WaitGroup
	stop := make(chan struct{})
	for _, seg := range []*shm.Segment{seg, openAgain(t, seg)} {
		m := newMutex(t, seg, "a")
		staying.Go(func() {
			for !isClosed(stop) {
				mustLock(m)
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d are inside", n)
				}
				runtime.Gosched()
				inside.Add(-1)
				m.Unlock()
				runtime.Gosched()
			}
		})
	}
	for _, c := range children {
		c.Expect("done")
		c.WaitOK()
	}
	close(stop)
	staying.Wait()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
