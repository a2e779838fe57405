package cell

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() { describe.Register(segment.KindVar, describeVar) }

func describeVar(v *describe.View) error {
	form, err := describe.FormOf(v.Type)
	if err != nil {
		return err
	}
	var mem, value []byte
	mark := func() (revision uint64, err error) {
		if mem, err = v.Bytes(0, headBytes); err == nil {
			revision = headIn(mem).revision.Load()
		}
		return revision, err
	}
	err = v.Steady(mark, func() (err error) {
		h := headIn(mem)
		p := h.places[h.revision.Load()&1]
		switch {
		case p.length > MaxValue:
			return fmt.Errorf("%w: a value of %d bytes", describe.ErrDamaged, p.length)
		case v.Want.Bare:
		case p.block == 0:
			value, err = v.Bytes(headBytes, p.length)
		default:
			value, err = v.At(p.block, p.length)
		}
		return err
	})
	if err != nil {
		return err
	}
	h := headIn(mem)
	v.Set("revision", h.revision.Load())
	v.Set("valueBytes", h.places[h.revision.Load()&1].length)
	v.SetLock(mem)
	if !v.Want.Bare {
		v.Value, err = form.Value(value)
	}
	return err
}
