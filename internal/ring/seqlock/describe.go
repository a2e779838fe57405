package seqlock

import (
	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() { describe.Register(segment.KindBroadcast, describeBroadcast) }

// describeBroadcast has no count of what was read: each reader has a position of its own.
func describeBroadcast(v *describe.View) error {
	element, err := v.Element()
	if err != nil {
		return err
	}
	layout := Layout(int(element.Size))
	mem, err := v.Bytes(0, headBytes)
	if err != nil {
		return err
	}
	h := headIn(mem)
	capacity, _, err := layout.CheckCapacity(v, &h.Head)
	if err != nil {
		return err
	}
	put := h.next.Load() - h.first
	kept := min(put, capacity)
	if err := h.Describe(v, layout, "Messages", ring.Flow{Put: put, Got: put - kept, Value: uint64(element.Size)}); err != nil {
		return err
	}
	v.SetProcess("writer", proctab.Owner(h.writer.Load()))
	return v.Peek(h.next.Load()-kept, h.next.Load(), func(p uint64) (any, bool, error) {
		mem, err := v.Bytes(headBytes+(p&(capacity-1))*uint64(layout.Stride), slotBytes+uint64(element.Size))
		if err != nil {
			return nil, false, err
		}
		after, err := v.Word(headBytes + (p&(capacity-1))*uint64(layout.Stride))
		if err != nil {
			return nil, false, err
		}
		value, err := element.Value(mem[slotBytes:])
		return value, slotIn(mem).sequence.Load() == complete(p) && after == complete(p), err
	})
}
