package shm

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() {
	describe.Register(segment.KindValue, describeValue)
	describe.Register(segment.KindRawValue, describeRaw)
	describe.Register(segment.KindAtomic, describeRaw)
	describe.Register(segment.KindBool, describeBool)
	describe.Register(segment.KindCounter, describeCounter)
	describe.Register(segment.KindArray, describeArray)
	describe.Register(segment.KindRawArray, describeRawArray)
}

func describeValue(v *describe.View) error {
	t, err := v.Element()
	if err != nil {
		return err
	}
	step := uint64(stride(int(t.Size)))
	if v.Size != valueHeadBytes+2*step {
		return fmt.Errorf("%w: %d bytes hold no Value of %d bytes", describe.ErrDamaged, v.Size, t.Size)
	}
	var head, copied []byte
	mark := func() (sequence uint64, err error) {
		if head, err = v.Bytes(0, valueHeadBytes); err == nil {
			sequence = at[valueHead](head).sequence.Load()
		}
		return sequence, err
	}
	err = v.Steady(mark, func() (err error) {
		if v.Want.Bare {
			return nil
		}
		copied, err = v.Bytes(valueHeadBytes+at[valueHead](head).sequence.Load()&1*step, uint64(t.Size))
		return err
	})
	if err != nil {
		return err
	}
	v.Set("stores", at[valueHead](head).sequence.Load())
	v.SetLock(head)
	if !v.Want.Bare {
		v.Value, err = t.Value(copied)
	}
	return err
}

// describeRaw is for what is nothing but its bytes.
func describeRaw(v *describe.View) error {
	t, err := v.Element()
	if err != nil || v.Want.Bare {
		return err
	}
	mem, err := v.Bytes(0, uint64(t.Size))
	if err == nil {
		v.Value, err = t.Value(mem)
	}
	return err
}

func describeBool(v *describe.View) error {
	if err := describeRaw(v); err != nil || v.Want.Bare {
		return err
	}
	n, isWord := v.Value.(uint64)
	if v.Value = n != 0; !isWord {
		return fmt.Errorf("%w: a Bool of type %q", describe.ErrDamaged, v.Type)
	}
	return nil
}

func describeCounter(v *describe.View) error {
	if v.Want.Bare {
		return nil
	}
	mem, err := v.Bytes(0, v.Size)
	if err != nil {
		return err
	}
	sum := int64(0)
	cells := sliceAt[counterCell](mem, len(mem)/counterCellBytes)
	for i := range cells {
		sum += cells[i].sum.Load()
	}
	v.Value = sum
	return nil
}

func describeRawArray(v *describe.View) error {
	t, err := v.Element()
	if err != nil {
		return err
	}
	n := v.Size / uint64(t.Size)
	v.Set("elements", n)
	return v.Elements(n, uint64(t.Size), func(low, n uint64) ([]byte, error) {
		return v.Bytes(low*uint64(t.Size), n*uint64(t.Size))
	}, t)
}

// describeArray shows the elements before a change that is not complete: those are in the undo
// area.
func describeArray(v *describe.View) error {
	t, err := v.Element()
	if err != nil {
		return err
	}
	size := uint64(t.Size)
	mem, err := v.Bytes(0, arrayHeadBytes)
	if err != nil {
		return err
	}
	count := at[arrayHead](mem).count
	if count > maxArrayBytes/size || v.Size != arrayHeadBytes+2*roundToLine(count*size) {
		return fmt.Errorf("%w: %d bytes hold no Array of %d elements of %d bytes", describe.ErrDamaged, v.Size, count, size)
	}
	v.Set("elements", count)
	v.SetLock(mem)
	read := func(low, n uint64) (elements []byte, err error) {
		err = v.Steady(func() (uint64, error) { return arrayMark(v) }, func() error {
			elements, err = readArray(v, count, size, low, n)
			return err
		})
		return elements, err
	}
	return v.Elements(count, size, read, t)
}

// arrayMark is what tells one change of an Array from the next, as far as its words do.
func arrayMark(v *describe.View) (uint64, error) {
	mem, err := v.Bytes(0, arrayHeadBytes)
	if err != nil {
		return 0, err
	}
	h := at[arrayHead](mem)
	return h.sequence.Load(), nil
}

// readArray reads n elements from low on, those that are being changed from the undo area.
func readArray(v *describe.View, count, size, low, n uint64) ([]byte, error) {
	elements, err := v.Bytes(arrayHeadBytes+low*size, n*size)
	if err != nil {
		return nil, err
	}
	mem, err := v.Bytes(0, arrayHeadBytes)
	if err != nil {
		return nil, err
	}
	h := at[arrayHead](mem)
	from, to := max(h.low.Load(), low), min(h.high.Load(), low+n, count)
	if h.sequence.Load()&1 == 0 || from >= to {
		return elements, nil
	}
	before, err := v.Bytes(arrayHeadBytes+roundToLine(count*size)+from*size, (to-from)*size)
	copy(elements[(from-low)*size:], before)
	return elements, err
}
