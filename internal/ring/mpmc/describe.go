package mpmc

import (
	"math/bits"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() { describe.Register(segment.KindQueue, describeQueue) }

// A copied queue is a queue as a reader sees it that does not attach.
type copied struct {
	v        *describe.View
	layout   ring.Layout
	capacity uint64
}

// slot is the state word of the slot of a position, and how far that is.
func (c copied) slot(p uint64) (word uint64, far stage, err error) {
	word, err = c.v.Word(headBytes + (p&(c.capacity-1))*uint64(c.layout.Stride))
	return word, stageOf(word, uint32(p>>uint(bits.TrailingZeros64(c.capacity)))), err
}

// mostSteps is how far behind its true position a hint is taken to be at most.
const mostSteps = 1 << 12

// next is the first position from p on that has not come to a stage; see Ring.next.
func (c copied) next(p uint64, passed stage) (uint64, error) {
	for range min(mostLaps*c.capacity, mostSteps) {
		_, far, err := c.slot(p)
		if err != nil || far < passed || far > mostPassed {
			return p, err
		}
		p++
	}
	return p, nil
}

// describeQueue notes what is known of a queue, and shows its oldest messages.
func describeQueue(v *describe.View) error {
	element, err := v.Element()
	if err != nil {
		return err
	}
	c := &copied{v: v, layout: Layout(int(element.Size))}
	var got, put uint64
	err = v.Together(func() (err error) {
		got, put, err = c.describe(uint64(element.Size))
		return err
	})
	if err != nil {
		return err
	}
	return v.Peek(got, put, func(p uint64) (any, bool, error) {
		if _, far, err := c.slot(p); err != nil || far != isFull {
			return nil, false, err
		}
		mem, err := v.Bytes(headBytes+(p&(c.capacity-1))*uint64(c.layout.Stride)+slotBytes, uint64(element.Size))
		if err != nil {
			return nil, false, err
		}
		_, far, err := c.slot(p)
		value, valueErr := element.Value(mem)
		if err == nil {
			err = valueErr
		}
		return value, far == isFull, err
	})
}

// describe notes all but the messages, of that size, and finds the ends of the queue by its slots,
// as the hints may be behind.
func (c *copied) describe(size uint64) (got, put uint64, err error) {
	v := c.v
	var h *head
	err = v.Steady(func() (uint64, error) { return v.Word(0) }, func() error {
		mem, err := v.Bytes(0, headBytes)
		if err != nil {
			return err
		}
		h = headIn(mem)
		if c.capacity, _, err = c.layout.CheckCapacity(v, &h.Head); err != nil {
			return err
		}
		if got, err = c.next(h.get.Load(), isReading); err != nil {
			return err
		}
		put, err = c.next(max(h.put.Load(), got), isWriting)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	put = min(put, got+c.capacity)
	if err := h.Describe(v, c.layout, "Messages", ring.Flow{Put: put, Got: got, Value: size}); err != nil {
		return 0, 0, err
	}
	return got, put, c.claims(got, put)
}

// mostClaims is in how many slots at each end claims are looked for.
const mostClaims = 64

// claims notes which processes are at work on the oldest and the newest messages.
func (c copied) claims(got, put uint64) error {
	var writers, readers []proctab.Owner
	look := func(p uint64) error {
		word, _, err := c.slot(p)
		switch owner := ownerOf(word); {
		case err != nil || owner == ring.Nobody:
		case phaseOf(word) == writing:
			writers = append(writers, owner)
		case phaseOf(word) == reading:
			readers = append(readers, owner)
		}
		return err
	}
	for n := range min(c.capacity, mostClaims) {
		if err := look(got + n); err != nil { // also behind the oldest: what is being read
			return err
		}
	}
	for n := range min(c.capacity, mostClaims, put) {
		if p := put - 1 - n; p >= got+mostClaims {
			if err := look(p); err != nil {
				return err
			}
		}
	}
	if len(writers) > 0 {
		c.v.SetProcesses("writing", writers)
	}
	if len(readers) > 0 {
		c.v.SetProcesses("reading", readers)
	}
	return nil
}
