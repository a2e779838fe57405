package shmsync

import (
	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/barrier"
	"github.com/shmkit/shmkit/internal/lock/cond"
	"github.com/shmkit/shmkit/internal/lock/event"
	"github.com/shmkit/shmkit/internal/lock/rwmutex"
	"github.com/shmkit/shmkit/internal/lock/semaphore"
	"github.com/shmkit/shmkit/internal/lock/waitgroup"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() {
	describe.Register(segment.KindMutex, describeMutex)
	describe.Register(segment.KindRecursiveMutex, describeMutex)
	describe.Register(segment.KindRWMutex, describeRWMutex)
	describe.Register(segment.KindSemaphore, describeSemaphore)
	describe.Register(segment.KindCond, describeCond)
	describe.Register(segment.KindEvent, describeEvent)
	describe.Register(segment.KindBarrier, describeBarrier)
	describe.Register(segment.KindOnce, describeOnce)
	describe.Register(segment.KindWaitGroup, describeWaitGroup)
}

func describeMutex(v *describe.View) error {
	mem, err := v.Bytes(0, lock.RegionBytes)
	if err == nil {
		v.SetLock(mem)
	}
	return err
}

// wholePayload is a copy of an object whose size depends on the number of processes.
func wholePayload(v *describe.View, least int) ([]byte, error) {
	return v.Bytes(0, max(v.Size, uint64(least)))
}

// ownersOf are the owners of cells, and the sum of what those count that live.
func ownersOf(v *describe.View, cells []uint64, count func(cell uint64) uint64) (owners []proctab.Owner, sum uint64) {
	for _, w := range cells {
		if o := lock.CellOwner(w); v.Lives(o) {
			owners = append(owners, o)
			sum += count(w)
		}
	}
	return owners, sum
}

func units(cell uint64) uint64 { return cell & lock.CellMask }

func describeRWMutex(v *describe.View) error {
	mem, err := wholePayload(v, lock.RegionBytes)
	if err != nil {
		return err
	}
	v.SetLock(mem)
	owners, readers := ownersOf(v, rwmutex.LookAt(mem), rwmutex.ReadersIn)
	v.Set("readers", readers)
	v.SetProcesses("readerProcesses", owners)
	return nil
}

// describeSemaphore shows the units as the next acquirer will find them: those of the dead are
// free.
func describeSemaphore(v *describe.View) error {
	mem, err := wholePayload(v, semaphore.Bytes)
	if err != nil {
		return err
	}
	s := semaphore.LookAt(mem)
	free := s.Free
	for _, w := range s.Cells {
		if !v.Lives(lock.CellOwner(w)) {
			free += int64(units(w))
		}
	}
	v.Set("freeUnits", free)
	v.Set("units", s.Units)
	if s.Max > 0 {
		v.Set("maxUnits", s.Max)
	}
	v.Set("undo", s.Undo)
	if s.Undo {
		owners, _ := ownersOf(v, s.Cells, units)
		v.SetProcesses("holders", owners)
	}
	return nil
}

func describeCond(v *describe.View) error {
	mem, err := wholePayload(v, lock.RegionBytes)
	if err != nil {
		return err
	}
	cells, broadcasts := cond.LookAt(mem, v.Slots)
	_, waiting := ownersOf(v, cells, cond.Waiting)
	v.Set("waiting", waiting)
	v.Set("broadcasts", broadcasts)
	return nil
}

func describeEvent(v *describe.View) error {
	mem, err := v.Bytes(0, event.Bytes)
	if err != nil {
		return err
	}
	set, times := event.LookAt(mem)
	v.Value = set
	v.Set("timesSet", times)
	return nil
}

func describeBarrier(v *describe.View) error {
	mem, err := wholePayload(v, barrier.Bytes(1))
	if err != nil {
		return err
	}
	l := barrier.LookAt(mem)
	v.Set("parties", l.Parties)
	v.Set("arrived", l.Arrived)
	v.Set("generation", l.Generation)
	v.Set("broken", l.Broken)
	v.SetProcesses("processes", barrier.Owners(mem))
	return nil
}

func describeOnce(v *describe.View) error {
	mem, err := v.Bytes(0, onceBytes)
	if err != nil {
		return err
	}
	o := onceIn(mem)
	v.Value = o.done.Load() != 0
	v.SetLock(o.lock[:])
	return nil
}

func describeWaitGroup(v *describe.View) error {
	mem, err := wholePayload(v, waitgroup.Bytes)
	if err != nil {
		return err
	}
	count, rounds, undo, cells := waitgroup.LookAt(mem)
	for _, w := range cells {
		if !v.Lives(lock.CellOwner(w)) {
			count -= min(count, units(w))
		}
	}
	v.Value = count
	v.Set("rounds", rounds)
	v.Set("undo", undo)
	if undo {
		owners, _ := ownersOf(v, cells, units)
		v.SetProcesses("debtors", owners)
	}
	return nil
}
