//go:build linux

package shmsync_test

import (
	"context"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// What is written over the first word of an object.
var garbage = []uint32{0, 1, 2, 1<<30 - 1, 1 << 30, 1<<31 | 1, 1 << 31, 1<<32 - 1}

// A garbled object is taken over from a process that died with it, by a function that calls during
// when it has it.
type garbled struct {
	kind segment.Kind
	die  func(seg *shm.Segment) // called by the process that dies; it never returns
	use  func(t *testing.T, seg *shm.Segment, during func()) error
}

func dieNow() {
	syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {}
}

var garbledObjects = map[string]garbled{
	"Mutex": {segment.KindMutex, func(seg *shm.Segment) {
		must(orDie(shmsync.NewMutex(seg, "Mutex", shmsync.MutexOptions{})).Lock(background))
		dieNow()
	}, func(t *testing.T, seg *shm.Segment, during func()) error {
		m := orDie(shmsync.NewMutex(seg, "Mutex", shmsync.MutexOptions{}))
		return unlocked(m.LockRepair(patient(t), func(*shmsync.OwnerDiedError) error { during(); return nil }), m.Unlock)
	}},
	"RWMutex": {segment.KindRWMutex, func(seg *shm.Segment) {
		must(orDie(shmsync.NewRWMutex(seg, "RWMutex", shmsync.RWMutexOptions{})).Lock(background))
		dieNow()
	}, func(t *testing.T, seg *shm.Segment, during func()) error {
		m := orDie(shmsync.NewRWMutex(seg, "RWMutex", shmsync.RWMutexOptions{}))
		return unlocked(m.LockRepair(patient(t), func(*shmsync.OwnerDiedError) error { during(); return nil }), m.Unlock)
	}},
	"RecursiveMutex": {segment.KindRecursiveMutex, func(seg *shm.Segment) {
		must(orDie(shmsync.NewRecursiveMutex(seg, "RecursiveMutex", shmsync.MutexOptions{})).Lock(background, new(shmsync.Holder)))
		dieNow()
	}, func(t *testing.T, seg *shm.Segment, during func()) error {
		m := orDie(shmsync.NewRecursiveMutex(seg, "RecursiveMutex", shmsync.MutexOptions{}))
		h := new(shmsync.Holder)
		err := m.LockRepair(patient(t), h, func(*shmsync.OwnerDiedError) error { during(); return nil })
		return unlocked(err, func() { m.Unlock(h) })
	}},
	"Once": {segment.KindOnce, func(seg *shm.Segment) {
		orDie(shmsync.NewOnce(seg, "Once", shmsync.OnceOptions{})).Do(background, func() error { dieNow(); return nil })
	}, func(t *testing.T, seg *shm.Segment, during func()) error {
		o := orDie(shmsync.NewOnce(seg, "Once", shmsync.OnceOptions{}))
		return o.Do(patient(t), func() error { during(); return nil })
	}},
	"Array": {segment.KindArray, func(seg *shm.Segment) {
		orDie(shm.NewArray[int64](seg, "Array", 8)).Update(background, func([]int64) error { dieNow(); return nil })
	}, func(t *testing.T, seg *shm.Segment, during func()) error {
		a := orDie(shm.NewArray[int64](seg, "Array", 8))
		return a.Update(patient(t), func([]int64) error { during(); return nil })
	}},
	"Value": {segment.KindValue, func(seg *shm.Segment) {
		orDie(shm.NewValue(seg, "Value", int64(0))).Update(background, func(*int64) error { dieNow(); return nil })
	}, func(t *testing.T, seg *shm.Segment, during func()) error {
		v := orDie(shm.NewValue(seg, "Value", int64(0)))
		return v.Update(patient(t), func(*int64) error { during(); return nil })
	}},
}

// unlocked unlocks what was locked without an error. An Unlock may say that the lock is not held.
func unlocked(err error, unlock func()) error {
	if err == nil {
		defer func() { recover() }()
		unlock()
	}
	return err
}

func orDie[T any](v T, err error) T {
	must(err)
	return v
}

// patient is a context that shows that a call hangs.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(background, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// dies holding: SEGMENT NAME
var roleDiesHolding = proctest.Register("dies holding", func(args []string) {
	garbledObjects[args[1]].die(orDie(shm.Open(args[0])))
})

// Whatever is written over a lock while the function of a user runs under it, after a death or not,
// the call gives an error or works. It never panics.
func TestLockOverwrittenWhileHeld(t *testing.T) {
	t.Parallel()
	for name, g := range garbledObjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, word := range garbage {
				for _, offset := range []int{0, 8} {
					seg := newSegment(t)
					proctest.Start(t, roleDiesHolding, seg.Path(), name).Wait()
					ran := false
					err := g.use(t, seg, func() {
						ran = true
						typ := ""
						if g.kind == segment.KindArray || g.kind == segment.KindValue {
							typ = "<q"
						}
						o := orDie(segment.Of(seg).Open(segment.Spec{Name: name, Kind: g.kind, Type: typ, Size: segment.AnySize}))
						binary.NativeEndian.PutUint32(o.Payload[offset:], word)
					})
					if !ran || errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%#x at %d: its function ran: %t; %v", word, offset, ran, err)
					}
				}
			}
		})
	}
}
