//go:build crashtest && linux

package shmsync_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// What the victims of the sweep do. Inside is 1 while they are sure to hold the lock, and 2 once
// they have repaired what a process left that died before them. It stays 0 for those that never had
// the lock.
var acts = map[string]func(m *shmsync.Mutex, inside *shm.Uint32) error{
	"Lock": func(m *shmsync.Mutex, inside *shm.Uint32) error {
		if err := m.Lock(background); errors.Is(err, shmsync.ErrOwnerDied) {
			return nil
		} else if err != nil {
			return err
		}
		inside.Store(1)
		inside.Store(2)
		m.Unlock()
		return nil
	},
	"Locker": func(m *shmsync.Mutex, inside *shm.Uint32) error {
		l := m.Locker()
		l.Lock()
		inside.Store(1)
		inside.Store(2)
		l.Unlock()
		return nil
	},
	"LockRepair": func(m *shmsync.Mutex, inside *shm.Uint32) error {
		err := m.LockRepair(background, func(*shmsync.OwnerDiedError) error {
			inside.Store(1)
			crashpoint.Here("half repaired")
			return nil
		})
		if err != nil {
			return err
		}
		inside.Store(1)
		inside.Store(2)
		m.Unlock()
		return nil
	},
	"LockRepair that fails": func(m *shmsync.Mutex, inside *shm.Uint32) error {
		err := m.LockRepair(background, func(*shmsync.OwnerDiedError) error { return errOnce })
		if errors.Is(err, errOnce) {
			return nil
		}
		inside.Store(1)
		inside.Store(2)
		m.Unlock()
		return err
	},
	"Locker without repair": func(m *shmsync.Mutex, inside *shm.Uint32) error {
		defer func() { recover() }()
		m.Locker().Lock() // panics without the lock when a holder has died
		inside.Store(1)
		inside.Store(2)
		m.Unlock()
		return nil
	},
	"TryLock": func(m *shmsync.Mutex, inside *shm.Uint32) error {
		if err := m.TryLock(); err != nil {
			return err
		}
		inside.Store(1)
		inside.Store(2)
		m.Unlock()
		return nil
	},
}

// crasher: SEGMENT ACT.
var crasher = proctest.Register("crasher", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	inside, err := shm.NewUint32(seg, "inside", 0)
	must(err)
	o := shmsync.MutexOptions{Repair: func() error { inside.Store(1); return nil }}
	if args[1] != "Locker" && args[1] != "TryLock" {
		o.Repair = nil
	}
	m, err := shmsync.NewMutex(seg, "a", o)
	must(err)
	proctest.Armed(func() { must(acts[args[1]](m, inside)) })
})

// A24, and every other point at which a process can die while it locks, repairs or unlocks: with a
// lock that was free before, and with one that a dead process left. The next locker gets the lock
// in time, and is told if it must be.
func TestCrashSweep(t *testing.T) {
	for act := range acts {
		for _, orphaned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/orphaned=%v", act, orphaned), func(t *testing.T) {
				proctest.Sweep(t, 1, func(c *proctest.Crash) { crash(t, c, act, orphaned) })
			})
		}
	}
}

func crash(t *testing.T, c *proctest.Crash, act string, orphaned bool) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	inside, err := shm.NewUint32(seg, "inside", 0)
	must(err)
	if orphaned {
		dieHolding(t, seg, "a")
	}
	c.Start(crasher, seg.Path(), act)
	completed := c.Wait()
	err = lockWithin(m, soon)
	if err != nil && !errors.Is(err, shmsync.ErrOwnerDied) {
		t.Fatalf("crash point %v: %v", c, err)
	}
	switch in := inside.Load(); {
	case in == 1 && err == nil, orphaned && in == 0 && err == nil:
		t.Error("not told of a death")
	case completed && in == 0 && (err == nil) == orphaned, completed && in != 0 && err != nil:
		t.Errorf("completed with %d inside: %v", in, err)
	}
	if err != nil {
		lockRepaired(t, m)
	}
	m.Unlock()
	wantErr(t, "in the end", m.TryLock(), nil)
	m.Unlock()
}
