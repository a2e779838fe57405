package record

import (
	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() {
	describe.Register(segment.KindBytes, func(v *describe.View) error {
		return describeQueue(v, func(b []byte) any { return b })
	})
	describe.Register(segment.KindObjects, func(v *describe.View) error {
		return describeQueue(v, func(b []byte) any { return describe.Encoded(b) })
	})
}

func describeQueue(v *describe.View, content func(b []byte) any) error {
	mem, err := v.Bytes(0, headBytes)
	if err != nil {
		return err
	}
	h := headIn(mem)
	capacity, _, err := Layout.CheckCapacity(v, &h.Head)
	if err != nil {
		return err
	}
	got := h.gets.Load()
	if err := h.Describe(v, Layout, "Bytes", ring.Flow{Put: max(h.puts.Load(), got), Got: got}); err != nil {
		return err
	}
	v.Set("putBytes", h.bytes.Load())
	v.Set("usedBytes", min(h.tail.Load()-h.free.Load(), capacity))
	v.Set("longestBytes", h.longest)
	return peek(v, h, capacity, content)
}

// peek makes the oldest messages the value. Records are of any length, so that a position is only
// found from the one before it.
func peek(v *describe.View, h *head, capacity uint64, content func(b []byte) any) error {
	if v.Want.Messages <= 0 {
		return nil
	}
	messages := []any{}
	for p, tail := h.take.Load(), h.tail.Load(); p != tail && tail-p <= capacity; {
		off := p & (capacity - 1)
		if off == capacity-8 {
			p += 8 // too little for a record
			continue
		}
		mem, err := v.Bytes(headBytes+off, recordBytes)
		if err != nil {
			return err
		}
		r := recordIn(mem)
		w, length := r.state.Load(), r.length.Load()
		size := w & recSizeMask
		if off%8 != 0 || size%8 != 0 || size < recordBytes || size > tail-p || off+size > capacity {
			v.Moved = true // taken, and overwritten meanwhile
			break
		}
		if w&recKinds == recFull && length <= size-recordBytes {
			if len(messages) == v.Want.Messages {
				v.Cut = true
				break
			}
			b, err := v.Bytes(headBytes+off+recordBytes, length)
			if err != nil {
				return err
			}
			messages = append(messages, content(b))
		}
		p += size
	}
	v.Value = messages
	return nil
}
