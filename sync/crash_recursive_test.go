//go:build crashtest && linux

package shmsync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// recursive-victim: SEGMENT WAY. It locks three times and unlocks as often. Inside is 1 while it is
// sure to have the lock, and 2 once it has mended what a process left that died before it.
var recursiveVictim = proctest.Register("recursive-victim", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	inside, err := shm.NewUint32(seg, "inside", 0)
	must(err)
	var o shmsync.MutexOptions
	if args[1] == "repair" {
		o.Repair = func() error { inside.Store(2); return nil }
	}
	m, err := shmsync.NewRecursiveMutex(seg, "r", o)
	must(err)
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() { lockThrice(m, inside, args[1] == "try") })
})

func lockThrice(m *shmsync.RecursiveMutex, inside *shm.Uint32, try bool) {
	h := shmsync.NewHolder()
	lock := func() error { return m.Lock(background, h) }
	if try {
		lock = func() error { return m.TryLock(h) }
	}
	if err := lock(); errors.Is(err, shmsync.ErrOwnerDied) {
		must(m.LockRepair(background, h, func(*shmsync.OwnerDiedError) error { inside.Store(2); return nil }))
	} else {
		must(err)
	}
	must(lock())
	inside.Store(1)
	must(lock())
	crashpoint.Here("at depth 3")
	m.Unlock(h)
	m.Unlock(h)
	crashpoint.Here("at depth 1")
	inside.Store(2)
	m.Unlock(h)
}

// A process is killed at every point of what it does with a lock that is free, waited for, or was
// left by a dead one. The next one has the lock in time, and is told when it must be.
func TestRecursiveCrashSweep(t *testing.T) {
	for _, way := range []string{"lock", "try", "repair"} {
		for _, situation := range []string{"alone", "waited for", "orphaned"} {
			t.Run(way+"/"+situation, func(t *testing.T) {
				proctest.Sweep(t, 2, func(c *proctest.Crash) { crashRecursive(t, c, way, situation) })
			})
		}
	}
}

func crashRecursive(t *testing.T, c *proctest.Crash, way, situation string) {
	seg := newSegment(t)
	m, h := newRecursive(t, seg), shmsync.NewHolder()
	inside, err := shm.NewUint32(seg, "inside", 0)
	must(err)
	if situation == "orphaned" {
		dead := startRecursiveAgent(t, seg)
		told(t, dead, "deep 3", "ok")
		dead.Kill()
	}
	v := c.Start(recursiveVictim, seg.Path(), way)
	v.Expect("ready")
	got := make(chan error)
	lock := func() {
		ctx, cancel := context.WithTimeout(background, soon)
		defer cancel()
		got <- m.Lock(ctx, h)
	}
	v.Send("go")
	if situation == "waited for" {
		for look := 0; inside.Load() == 0 && look < 1000; look++ {
			// until the victim is inside, or has died before
			proctest.Stagger(20 * time.Microsecond)
		}
		go lock()
	}
	completed := c.Wait()
	if situation != "waited for" {
		go lock()
	}
	err = <-got
	if err != nil && !errors.Is(err, shmsync.ErrOwnerDied) {
		t.Fatalf("crash point %v: %v", c, err)
	}
	in := inside.Load()
	if in == 1 && err == nil || in == 0 && situation == "orphaned" && err == nil {
		t.Error("not told of a death")
	}
	if completed && err != nil {
		t.Errorf("completed: %v", err)
	}
	if err != nil {
		lockRepaired(t, m.As(h))
	}
	m.Unlock(h)
	wantErr(t, "in the end", m.TryLock(h), nil)
	m.Unlock(h)
}
