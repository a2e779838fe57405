//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// lockable is what the locks have in common.
type lockable interface {
	Lock(context.Context) error
	TryLock() error
	Unlock()
}

// lockUses is the ways to lock. Each use has a lock of its own, which no other process takes.
func lockUses(kind string, open func(name string) lockable) []proctest.Use {
	m, tried := open(kind), open(kind+" tried")
	return []proctest.Use{
		{Name: kind + ".Lock", Do: func(int) error {
			if err := m.Lock(background); err != nil {
				return err
			}
			m.Unlock()
			return nil
		}},
		{Name: kind + ".TryLock", Do: func(int) error {
			if err := tried.TryLock(); err != nil {
				return err
			}
			tried.Unlock()
			return nil
		}},
	}
}

// never is the error of a wait that ends although what it waits for has not come.
func never(err error) error {
	if err == nil {
		return errors.New("the wait is over")
	}
	return err
}

// leaveUses is the operations of this package, on objects that each use has for itself, but for
// waits for what never comes.
func leaveUses(t *testing.T, seg *shm.Segment, undo bool) []proctest.Use {
	name := func(kind string) string { return fmt.Sprint(kind, ", undo ", undo) }
	mutex := func(name string) lockable {
		return got(shmsync.NewMutex(seg, name, shmsync.MutexOptions{Repair: noRepair}))
	}
	rw := func(name string) *shmsync.RWMutex {
		return got(shmsync.NewRWMutex(seg, name, shmsync.RWMutexOptions{Repair: noRepair}))
	}
	recursive := func(name string) lockable {
		return got(shmsync.NewRecursiveMutex(seg, name, shmsync.MutexOptions{Repair: noRepair})).As(shmsync.NewHolder())
	}
	semaphore := func(kind string, units int64) *shmsync.Semaphore {
		return got(shmsync.NewSemaphore(seg, name(kind), units, shmsync.SemaphoreOptions{Undo: undo}))
	}
	group := func(kind string) *shmsync.WaitGroup {
		return got(shmsync.NewWaitGroup(seg, name(kind), shmsync.WaitGroupOptions{Undo: undo}))
	}
	event := func(kind string) *shmsync.Event { return got(shmsync.NewEvent(seg, kind, shmsync.EventOptions{})) }
	read, free, some, taken := rw("read"), semaphore("free", 5), semaphore("some", 5), semaphore("taken", 1)
	counted, waited, set, unset := group("counted"), group("waited"), event("set"), event("unset")
	wantErr(t, "add", waited.Add(1), nil)
	if err := taken.TryAcquire(1); err != nil { // without undo it is taken since the first round
		wantErr(t, "acquire", err, shmsync.ErrLocked)
	}
	set.Set()
	barrier := got(shmsync.NewBarrier(seg, "barrier", 2, shmsync.BarrierOptions{}))
	barrier.Reset()
	cond, condLock := got(shmsync.NewCond(seg, "cond", shmsync.CondOptions{})), mutex("cond lock")
	once := got(shmsync.NewOnce(seg, "once", shmsync.OnceOptions{}))
	wantErr(t, "do", once.Do(background, func() error { return nil }), nil)
	uses := []proctest.Use{
		{Name: "RWMutex.RLock", Do: func(int) error {
			if err := read.RLock(background); err != nil {
				return err
			}
			read.RUnlock()
			if err := read.TryRLock(); err != nil {
				return err
			}
			read.RUnlock()
			return nil
		}},
		{Name: name("Semaphore.TryAcquire"), Do: func(int) error {
			if err := free.TryAcquire(2); err != nil {
				return err
			}
			return free.Release(2)
		}},
		{Name: name("Semaphore.Acquire"), Do: func(int) error {
			if err := some.Acquire(background, 1); err != nil {
				return err
			}
			return some.Release(1)
		}},
		{Name: name("Semaphore.Acquire of none"), Do: func(int) error { return never(taken.Acquire(background, 1)) }},
		{Name: name("WaitGroup.Done"), Do: func(int) error {
			if err := counted.Add(1); err != nil {
				return err
			}
			return counted.Done()
		}},
		{Name: name("WaitGroup.Wait"), Do: func(int) error { return never(waited.Wait(background)) }},
		{Name: "Event.Wait for one that is set", Do: func(int) error { return set.Wait(background) }},
		{Name: "Event.Wait", Do: func(int) error { return never(unset.Wait(background)) }},
		{Name: "Select.Wait", Do: func(int) error {
			s := shmsync.NewSelect(unset.Sets(), set.Sets())
			defer s.Close()
			i, err := s.Wait(background)
			if err == nil && i != 1 {
				return fmt.Errorf("source %d", i)
			}
			// a Select tells of a close as of an event
			return errors.Join(err, set.Wait(background))
		}},
		{Name: "Barrier.Wait", Do: func(int) error {
			_, err := barrier.Wait(background)
			return never(err)
		}},
		{Name: "Cond.Wait", Do: func(int) error {
			if err := condLock.Lock(background); err != nil {
				return err
			}
			defer condLock.Unlock()
			return never(cond.Wait(background, condLock.(shmsync.Lockable)))
		}},
		{Name: "Once.Do", Silent: true, Do: func(int) error {
			return once.Do(background, func() error { return errors.New("it is done again") })
		}},
		{Name: "Blocked", Do: func(int) error {
			_, err := shmsync.Blocked(seg)
			return err
		}},
		{Name: "marshal", Do: func(int) error {
			_, err := unset.MarshalBinary()
			return err
		}},
		{Name: "Open", Do: func(int) error {
			s, err := shmsync.OpenSemaphore(seg, name("some"), shmsync.SemaphoreOptions{})
			if err != nil {
				return err
			}
			return s.Detach()
		}},
	}
	uses = append(uses, lockUses("Mutex", mutex)...)
	uses = append(uses, lockUses("RWMutex", func(name string) lockable { return rw(name) })...)
	return append(uses, lockUses("RecursiveMutex", recursive)...)
}

func noRepair() error { return nil }

func got[T any](v T, err error) T {
	must(err)
	return v
}

// Operations that meet the Close of their segment have a right result or say that it is closed.
// None concludes anything from memory that this process has just left. Close keeps what small
// objects hold, up to 1 MiB in all: in every second round others take that.
func TestResultsAgainstClose(t *testing.T) {
	keeper := newSegment(t)
	for round := range times(100) {
		seg := openAgain(t, keeper)
		var others []*shm.RawArray[byte]
		for i := range 20 * (round % 2) {
			others = append(others, got(shm.NewRawArray[byte](seg, fmt.Sprint("other ", i), 64<<10)))
		}
		proctest.Leave(t, 8, shmsync.ErrClosed, func() error {
			err := seg.Close()
			if errors.As(err, new(*shm.HeldError)) { // the machine is busy
				return nil
			}
			return err
		}, leaveUses(t, seg, round%4 > 1)...)
		_ = others
		if t.Failed() {
			return
		}
	}
}
