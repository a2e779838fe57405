//go:build linux

package rwmutex

import (
	"testing"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// visit is a lock that waiters park for, until the test ends.
func visit(t *testing.T) *Lock {
	r := locktest.Visit(t, locktest.New(t))
	p := &lock.Party{Member: r.Member, Closer: r.Closer, Keep: r.Keep}
	return New(p, r.From(0)[:Bytes(r.Member.Table().Len())], wait.Parking)
}

// A RUnlock with a cell that was overwritten is no misuse. One too many is, and changes nothing.
func TestRUnlockOfOverwrittenLock(t *testing.T) {
	l := visit(t)
	cell, key := l.Cell()
	if l.RUnlock(cell.Add(^uint64(0))) {
		t.Error("a RUnlock too many reports no misuse")
	}
	whole := cell.Load()
	if whole>>ReaderBits != key && whole&cellBlocked == 0 {
		t.Errorf("the cell is %#x then", whole)
	}
	for _, garbage := range []uint64{0, 1, 1<<64 - 1, uint64(l.me+2) << lock.CellOwnerShift} {
		cell.Store(garbage)
		if !l.RUnlock(cell.Add(^uint64(0))) {
			t.Errorf("%#x: RUnlock of an overwritten lock reports misuse", garbage)
		}
		if w := cell.Load(); w != garbage {
			t.Errorf("%#x: RUnlock has made it %#x", garbage, w)
		}
	}
	cell.Store(whole)
}

// An Unlock of a lock whose writers word was overwritten is no misuse; the next one is.
func TestUnlockOfOverwrittenLock(t *testing.T) {
	if race.Enabled {
		t.Skip("with the race detector a process keeps no record of its locks")
	}
	l := visit(t)
	if l.Unlock() {
		t.Error("an Unlock without a Lock reports no misuse")
	}
	if err := l.Lock(locktest.Background, &lock.LockOptions{}); err != nil {
		t.Fatal(err)
	}
	l.r.writers = lock.MutexRegion{}
	if !l.Unlock() {
		t.Error("Unlock of an overwritten lock reports misuse")
	}
	if l.Unlock() {
		t.Error("a second Unlock reports no misuse")
	}
}
