package list

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() { describe.Register(segment.KindList, describeList) }

func describeList(v *describe.View) error {
	t, err := v.Element()
	if err != nil {
		return err
	}
	mem, err := v.Bytes(0, headBytes)
	if err != nil {
		return err
	}
	h := headIn(mem)
	size, length := uint64(h.size), h.length.Load()
	l := &List{size: size, firstLog: uint(h.firstLog)} // for the arithmetic of chunks
	if size != uint64(t.Size) || h.firstLog > 6 || length > 1<<46/size {
		return fmt.Errorf("%w: %d elements of %d bytes", describe.ErrDamaged, length, size)
	}
	v.Set("elements", length)
	v.SetLock(mem)
	mark := func() (uint64, error) {
		mem, err := v.Bytes(0, headBytes)
		if err != nil {
			return 0, err
		}
		h = headIn(mem)
		return h.sequence.Load(), nil
	}
	return v.Elements(length, size, func(low, n uint64) (elements []byte, err error) {
		err = v.Steady(mark, func() error {
			elements, err = l.copied(v, h, low, n)
			return err
		})
		return elements, err
	}, t)
}

// copied reads n elements from low on, and the one that is being changed as it was before.
func (l *List) copied(v *describe.View, h *head, low, n uint64) ([]byte, error) {
	var all []byte
	for i := low; i < low+n; {
		k, at := l.chunkOf(i)
		if k >= maxChunks || h.chunks[k].Load() == 0 {
			return nil, fmt.Errorf("%w: element %d has no place", describe.ErrDamaged, i)
		}
		more := min(l.chunkLen(k)-at, low+n-i)
		mem, err := v.At(h.chunks[k].Load()+at*l.size, more*l.size)
		if err != nil {
			return nil, err
		}
		all = append(all, mem...)
		i += more
	}
	if h.sequence.Load()&1 == 0 || h.undo < low || h.undo >= low+n {
		return all, nil
	}
	before, err := v.Bytes(headBytes, l.size)
	copy(all[(h.undo-low)*l.size:], before)
	return all, err
}
