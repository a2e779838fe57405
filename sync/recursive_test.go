//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newRecursive(t testing.TB, seg *shm.Segment) *shmsync.RecursiveMutex {
	t.Helper()
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// recursive-agent: SEGMENT. It has one holder. Orders: lock, try, unlock; repair (a lock with a
// Repair function); deep N (as many locks); close.
var recursiveAgent = proctest.Register("recursive-agent", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	must(err)
	repairing, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{Repair: func() error { return nil }})
	must(err)
	h := shmsync.NewHolder()
	proctest.Say("ready")
	for {
		var order string
		var n int
		fmt.Sscan(proctest.Hear(), &order, &n)
		var err error
		switch order {
		case "lock":
			err = m.Lock(background, h)
		case "try":
			err = m.TryLock(h)
		case "repair":
			err = repairing.Lock(background, h)
		case "deep":
			for range n {
				err = errors.Join(err, m.Lock(background, h))
			}
		case "unlock":
			m.Unlock(h)
		case "close":
			if err = seg.Close(); errors.As(err, new(*shm.HeldError)) {
				proctest.Say("held")
				continue
			}
		}
		proctest.Say("%s", verdict(err))
	}
})

func startRecursiveAgent(t testing.TB, seg *shm.Segment) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, recursiveAgent, seg.Path())
	c.Expect("ready")
	return c
}

// A holder locks as often as it likes, and has the lock until it has unlocked as often. Other
// holders of the same process wait as those of other processes do.
func TestRecursive(t *testing.T) {
	seg := newSegment(t)
	m, again := newRecursive(t, seg), newRecursive(t, seg)
	one, two := shmsync.NewHolder(), shmsync.NewHolder()
	other := startRecursiveAgent(t, seg)
	for range 2 {
		for range 3 {
			wantErr(t, "lock", m.Lock(background, one), nil)
			wantErr(t, "try by the same holder, at another handle", again.TryLock(one), nil)
		}
		for range 6 {
			wantErr(t, "try by another holder", m.TryLock(two), shmsync.ErrLocked)
			told(t, other, "try", "locked")
			wantPanic(t, "Unlock by another holder", "does not have it locked", func() { m.Unlock(two) })
			m.Unlock(one)
		}
		wantPanic(t, "one Unlock too many", "does not have it locked", func() { m.Unlock(one) })
		told(t, other, "deep 3", "ok")
		for range 3 {
			wantErr(t, "try while another process has it", m.TryLock(one), shmsync.ErrLocked)
			told(t, other, "unlock", "ok")
		}
	}
	wantErr(t, "lock", m.Lock(background, one), nil)
	waiter := proctest.MustBlock(t, func() {
		must(m.Lock(background, two))
		m.Unlock(two)
	})
	other.Send("lock")
	m.Unlock(one)
	other.Expect("ok")
	told(t, other, "unlock", "ok")
	<-waiter
	if m.Name() != "r" {
		t.Errorf("name %q", m.Name())
	}
	other.Kill()
}

// What cannot be asked of it: nothing changes.
func TestRecursiveBadInput(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	h := shmsync.NewHolder()
	wantErr(t, "lock for nobody", m.Lock(background, nil), fs.ErrInvalid)
	wantErr(t, "try for nobody", m.TryLock(nil), fs.ErrInvalid)
	for what, f := range map[string]func(){
		"Unlock for nobody":              func() { m.Unlock(nil) },
		"Unlock of a free lock":          func() { m.Unlock(h) },
		"Unlock of a free HolderMutex":   m.As(h).Unlock,
		"Lock of a Locker of nobody":     m.As(nil).Locker().Lock,
		"Unlock of a Locker of a holder": m.As(h).Locker().Unlock,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", what)
				}
			}()
			f()
		}()
	}
	wantErr(t, "then", m.TryLock(h), nil)
	m.Unlock(h)
}

// A context's end, here and while another process holds the lock. A lock that is held already needs
// no time.
func TestRecursiveContext(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	one, two := shmsync.NewHolder(), shmsync.NewHolder()
	ended, cancel := context.WithCancelCause(background)
	cancel(errOnce)
	wantErr(t, "a free lock", m.Lock(ended, one), nil)
	wantErr(t, "once more", m.Lock(ended, one), nil)
	wantErr(t, "for another holder", m.Lock(ended, two), errOnce)
	//clock: the time-out is the subject
	short, stop := context.WithTimeout(background, 10*time.Millisecond)
	defer stop()
	wantErr(t, "for another holder that waits", m.Lock(short, two), context.DeadlineExceeded)
	m.Unlock(one)
	m.Unlock(one)
	wantErr(t, "in the end", m.TryLock(two), nil)
	m.Unlock(two)
}

// A Cond takes a RecursiveMutex together with its holder.
func TestRecursiveWithCond(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	c, err := shmsync.NewCond(seg, "c", shmsync.CondOptions{})
	must(err)
	l := m.As(shmsync.NewHolder())
	must(l.Lock(background))
	ready := false
	waiter := proctest.MustBlock(t, func() { must(c.WaitFor(background, l, func() bool { return ready })) })
	other := m.As(shmsync.NewHolder())
	wantErr(t, "lock while one waits", other.Lock(background), nil)
	ready = true
	other.Unlock()
	c.Signal()
	<-waiter
	wantErr(t, "who has waited has the lock", other.TryLock(), shmsync.ErrLocked)
	l.Unlock()
}
