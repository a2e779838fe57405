package spsc

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() { describe.Register(segment.KindSPSC, describeQueue) }

func describeQueue(v *describe.View) error {
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
	// The positions wrap. What was read before is counted by how far they have come.
	read, tail := h.read.Load(), h.tail.Load()
	if tail-read > capacity {
		return fmt.Errorf("%w: it has %d messages of %d", describe.ErrDamaged, int64(tail-read), capacity)
	}
	abandoned := h.Abandoned.Load()
	got := read + abandoned
	if err := h.Describe(v, layout, "Messages", ring.Flow{Put: got + (tail - read), Got: got, Value: uint64(element.Size)}); err != nil {
		return err
	}
	v.SetProcess("producer", proctab.Owner(h.producer.Load()))
	v.SetProcess("consumer", proctab.Owner(h.consumer.Load()))
	return v.Peek(read, tail, func(p uint64) (any, bool, error) {
		mem, err := v.Bytes(headBytes+(p&(capacity-1))*uint64(layout.Stride), uint64(element.Size))
		if err != nil {
			return nil, false, err
		}
		value, err := element.Value(mem)
		return value, true, err
	})
}
