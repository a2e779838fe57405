package cast

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() {
	describe.Register(segment.KindWaitingBroadcast, describeValues)
	describe.Register(segment.KindBroadcastBytes, func(v *describe.View) error {
		return describeMessages(v, func(b []byte) any { return b })
	})
	describe.Register(segment.KindBroadcastObjects, func(v *describe.View) error {
		return describeMessages(v, func(b []byte) any { return describe.Encoded(b) })
	})
}

// A picture is what a copy of the head says.
type picture struct {
	*head
	ring     uint64 // where the ring lies in the payload
	capacity uint64
	layout   ring.Layout

	oldest, tail uint64 // the messages that are kept lie between these positions
}

// describeValues describes a broadcast of values of fixed size.
func describeValues(v *describe.View) error {
	element, err := v.Element()
	if err != nil {
		return err
	}
	h, err := describeHead(v, int(element.Size))
	if err != nil {
		return err
	}
	return v.Peek(h.oldest, h.tail, func(p uint64) (any, bool, error) { return h.value(v, element, p) })
}

// value reads the message of a position, and reports whether it was kept all the while.
func (h *picture) value(v *describe.View, element *elem.Layout, p uint64) (any, bool, error) {
	mem, err := v.Bytes(h.ring+(p&(h.capacity-1))*uint64(h.layout.Stride), uint64(element.Size))
	if err != nil {
		return nil, false, err
	}
	limit, err := v.Word(limitAt)
	if err != nil {
		return nil, false, err
	}
	value, err := element.Value(mem)
	return value, int64(p-(limit-h.capacity)) >= 0, err
}

// describeMessages describes a broadcast of messages of any length.
func describeMessages(v *describe.View, content func(b []byte) any) error {
	h, err := describeHead(v, 0)
	if err != nil {
		return err
	}
	v.Set("putBytes", h.bytes.Load())
	v.Set("longestBytes", h.longest)
	if v.Want.Messages <= 0 {
		return nil
	}
	messages := []any{}
	for p := h.oldest; p != h.tail; {
		off := p & (h.capacity - 1)
		mem, err := v.Bytes(h.ring+off, recordBytes)
		if err != nil {
			return err
		}
		n := recordIn(mem).length.Load()
		if n == gap {
			n = h.capacity - off - recordBytes
		} else if len(messages) == v.Want.Messages {
			v.Cut = true
			break
		}
		size := recordFor(n)
		if p%recordAlign != 0 || n > h.capacity || size > h.tail-p || off+size > h.capacity {
			v.Moved = true // overwritten meanwhile
			break
		}
		if recordIn(mem).length.Load() != gap {
			b, err := v.Bytes(h.ring+off+recordBytes, n)
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

// describeHead notes what the head says of a broadcast of values of that size, or of any.
func describeHead(v *describe.View, size int) (*picture, error) {
	mem, err := v.Bytes(0, headBytes)
	if err != nil {
		return nil, err
	}
	h := &picture{head: headIn(mem)}
	if h.readers < 1 || h.readers > MaxReaders {
		return nil, fmt.Errorf("%w: it has room for %d readers", describe.ErrDamaged, h.readers)
	}
	h.layout, h.ring = Layout(size, int(h.readers)), uint64(ringAt(h.readers))
	if h.capacity, _, err = h.layout.CheckCapacity(v, &h.Head); err != nil {
		return nil, err
	}
	h.tail = h.head.tail.Load()
	h.oldest = h.limit.Load() - h.capacity
	if kept := h.tail - h.oldest; kept > h.capacity {
		return nil, fmt.Errorf("%w: it keeps %d of %d", describe.ErrDamaged, int64(kept), h.capacity)
	}
	put := h.messages.Load()
	flow := ring.Flow{Put: put, Got: put}
	unit := "Bytes"
	if size > 0 {
		put = h.tail - h.first
		flow, unit = ring.Flow{Put: put, Got: put - min(put, h.tail-h.oldest), Value: uint64(size)}, "Messages"
	}
	if err := h.Describe(v, h.layout, unit, flow); err != nil {
		return nil, err
	}
	v.Set("expelled", h.expelled.Load())
	if h.traits&traitMany == 0 {
		v.SetProcess("writer", proctab.Owner(h.writer.Load()&proctab.OwnerMask))
	} else {
		v.SetLock(h.turns[:])
	}
	return h, h.describeReaders(v)
}

// describeReaders notes which processes have readers, and which one a writer waits for.
func (h *picture) describeReaders(v *describe.View) error {
	n := min(h.high.Load(), h.readers)
	if n == 0 {
		v.SetProcesses("readers", nil)
		return nil
	}
	mem, err := v.Bytes(headBytes, uint64(8*n))
	if err != nil {
		return err
	}
	var owners []proctab.Owner
	for i := range n {
		if state := stateIn(mem, int(i)); state&phaseMask == live {
			owners = append(owners, ownerOf(state))
		}
	}
	v.SetProcesses("readers", owners)
	if i := h.awaited.Load() & awaitedCell; i > 0 && i <= uint64(n) {
		v.SetProcess("waitsFor", ownerOf(stateIn(mem, int(i-1))))
	}
	return nil
}
