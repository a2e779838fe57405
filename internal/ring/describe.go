package ring

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctab"
)

// Flow is how much has gone through a queue, as its describer has found it.
type Flow struct {
	Put, Got uint64 // messages
	Value    uint64 // bytes of each; 0: they differ
}

// CheckCapacity reads the capacity in a copy of a queue's head, and checks it against the size of
// the object. Joinable says whether counts of tasks follow the places.
//
// Errors: [describe.ErrDamaged].
func (l Layout) CheckCapacity(v *describe.View, h *Head) (capacity uint64, joinable bool, err error) {
	capacity = h.capacity
	if capacity < l.Min || capacity > l.Max || capacity&(capacity-1) != 0 || capacity > v.Size/uint64(l.Stride) {
		return 0, false, fmt.Errorf("%w: a capacity of %d in %d bytes", describe.ErrDamaged, capacity, v.Size)
	}
	switch int64(v.Size) {
	case l.Size(capacity, 0):
		return capacity, false, nil
	case l.Size(capacity, v.Slots):
		return capacity, true, nil
	}
	return 0, false, fmt.Errorf("%w: its head does not fit its %d bytes", describe.ErrDamaged, v.Size)
}

// Describe notes what a copy of a queue's head says. Unit is that of the capacity: "Messages" or
// "Bytes".
func (h *Head) Describe(v *describe.View, l Layout, unit string, f Flow) error {
	capacity, joinable, err := l.CheckCapacity(v, h)
	if err != nil {
		return err
	}
	v.Set("messages", f.Put-f.Got)
	v.Set("capacity"+unit, capacity)
	v.Set("put", f.Put)
	v.Set("got", f.Got)
	if f.Value > 0 {
		v.Set("putBytes", f.Put*f.Value)
	}
	v.Set("abandoned", h.Abandoned.Load())
	v.Set("dropped", h.Counters.Dropped.Load())
	v.Set("sleeps", h.Counters.Waits.Load())
	v.Set("highWaterMessages", h.Counters.HighWater.Load())
	by := h.ClosedBy.Load()
	v.Set("closed", by != 0)
	v.SetProcess("closedBy", proctab.Owner(by&proctab.OwnerMask))
	v.SetNonZero("closings", uint64(h.closings.Load()))
	if joinable {
		return describeTasks(v, l.Size(capacity, 0))
	}
	return nil
}

// describeTasks notes how many messages were taken and are not done, from the counts that follow
// the places, which end at end.
func describeTasks(v *describe.View, end int64) error {
	mem, err := v.Bytes(uint64(tasksAt(int(end))), uint64(v.Slots*taskBytes))
	if err != nil {
		return err
	}
	unfinished := uint64(0)
	counts := countsIn(mem)
	for i := range counts {
		if w := counts[i].word.Load(); uint32(w) != 0 && v.Lives(taskOwner(w)) {
			unfinished += uint64(uint32(w))
		}
	}
	v.Set("unfinished", unfinished)
	return nil
}
