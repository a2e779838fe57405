//go:build linux

package shm_test

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// Close keeps the content of objects of up to 64 KiB. Of each kind there is such an object, and a
// larger one, which reads as zeros afterwards.
const (
	keptElements  = 8
	emptyElements = 20_000
)

type (
	keptBlock  [keptElements]int64
	emptyBlock [emptyElements]int64
)

// whole is nil when all elements are the same number, which is not 0.
func whole(e []int64) error {
	for i := range e {
		if e[i] == 0 || e[i] != e[0] {
			return fmt.Errorf("element %d is %d, the first one %d", i, e[i], e[0])
		}
	}
	return nil
}

func fill(e []int64, n int64) {
	for i := range e {
		e[i] = n
	}
}

// right is err if there is one, and otherwise an error with that text unless the result is right.
func right(err error, is bool, format string, args ...any) error {
	if err == nil && !is {
		err = fmt.Errorf(format, args...)
	}
	return err
}

// room is err, or nil when err says that there is no room.
func room(err error) error {
	if errors.As(err, new(*shm.NoSpaceError)) || errors.Is(err, shm.ErrTooManyObjects) {
		return nil
	}
	return err
}

func valueUses[B keptBlock | emptyBlock](seg *shm.Segment, kind string, elements func(*B) []int64) []proctest.Use {
	var first B
	fill(elements(&first), 1)
	v := need(shm.NewValue(seg, "value "+kind, first))
	return []proctest.Use{
		{Name: kind + " Value.Load", Do: func(int) error {
			b, err := v.Load()
			if err == nil {
				err = whole(elements(&b))
			}
			return err
		}},
		{Name: kind + " Value.Store", Do: func(i int) error {
			var b B
			fill(elements(&b), int64(i)+1)
			return v.Store(background, b)
		}},
		{Name: kind + " Value.Update", Do: func(i int) error {
			return v.Update(background, func(b *B) error {
				fill(elements(b), int64(i)+2)
				return nil
			})
		}},
		{Name: kind + " NewValue", Do: func(int) error {
			v, err := shm.NewValue(seg, "value "+kind, first)
			if err != nil {
				return err
			}
			return v.Detach()
		}},
		{Name: kind + " marshal", Do: func(int) error {
			b, err := v.MarshalBinary()
			if err != nil {
				return err
			}
			w := new(shm.Value[B])
			if err := w.UnmarshalBinary(b); err != nil {
				return err
			}
			defer w.Detach()
			got, err := w.Load()
			return right(err, err != nil || whole(elements(&got)) == nil, "got %v", got[0])
		}},
	}
}

func arrayUses(seg *shm.Segment, kind string, n int) []proctest.Use {
	name := "array " + kind
	a := need(shm.NewArray[int64](seg, name, n))
	must(a.Update(background, func(e []int64) error { fill(e, 1); return nil }))
	return []proctest.Use{
		{Name: name + " At", Do: func(i int) error {
			got, err := a.At(background, i%n)
			return right(err, got != 0, "element %d is 0", i%n)
		}},
		{Name: name + " Set", Do: func(i int) error { return a.Set(background, i%n, 1) }},
		{Name: name + " Update", Do: func(i int) error {
			return a.Update(background, func(e []int64) error { fill(e, 1); return nil })
		}},
		{Name: name + " Read", Do: func(i int) error {
			err := error(nil)
			if closed := a.Read(background, func(e []int64) error { err = whole(e); return nil }); closed != nil {
				return closed
			}
			return err
		}},
		{Name: name + " All", Silent: true, Do: func(int) error {
			sum := 0
			for range a.All() {
				sum++
			}
			return right(nil, sum == n, "%d elements", sum)
		}},
		{Name: "Open " + name, Do: func(int) error {
			b, err := shm.OpenArray[int64](seg, name)
			if err != nil {
				return err
			}
			return b.Detach()
		}},
		{Name: "Open raw " + name, Do: func(int) error {
			_, err := shm.OpenRawArray[int64](seg, name)
			if errors.As(err, new(*shm.MismatchError)) {
				return nil
			}
			return right(err, false, "opened as another kind")
		}},
	}
}

// atomicUses is the operations without errors, on small objects.
func atomicUses(seg *shm.Segment) []proctest.Use {
	n, f, b := need(shm.NewInt64(seg, "int64", 1)), need(shm.NewFloat64(seg, "float64", 1)), need(shm.NewBool(seg, "bool", true))
	u, c := need(shm.NewUint32(seg, "uint32", 1)), need(shm.NewCounter(seg, "counter"))
	raw, big := need(shm.NewRawValue(seg, "raw", int64(1))), need(shm.NewRawArray[int64](seg, "big raw", emptyElements))
	c.Add(1)
	silent := func(name string, do func() bool) proctest.Use {
		return proctest.Use{Name: name, Silent: true, Do: func(int) error { return right(nil, do(), "the value has gone") }}
	}
	return []proctest.Use{
		silent("Int64.Load", func() bool { return n.Load() > 0 }),
		silent("Int64.Add", func() bool { return n.Add(1) > 1 }),
		silent("Float64.Load", func() bool { return f.Load() >= 1 }),
		silent("Float64.Add", func() bool { return f.Add(1) >= 2 }),
		silent("Bool.Load", b.Load),
		silent("Bool.CompareAndSwap", func() bool { return b.CompareAndSwap(true, true) }),
		silent("Uint32.Or", func() bool { return u.Or(2)&1 != 0 }),
		silent("Counter.Sum", func() bool { return c.Sum() >= 1 }),
		silent("Counter.Add", func() bool { c.Add(1); return true }),
		silent("RawValue.Load", func() bool { return raw.Load() == 1 }),
		silent("RawArray.Set", func() bool { big.Set(emptyElements-1, 1); return big.At(emptyElements-1) <= 1 }),
		{Name: "Int64 marshal", Do: func(int) error {
			b, err := n.MarshalBinary()
			if err != nil {
				return err
			}
			m := new(shm.Int64)
			if err := m.UnmarshalBinary(b); err != nil {
				return err
			}
			defer m.Detach()
			return right(nil, m.Load() > 0, "got %d", m.Load())
		}},
		{Name: "unnamed", Do: func(int) error {
			m, err := shm.NewInt64(seg, "", 7)
			if err != nil {
				return room(err)
			}
			defer m.Detach()
			return right(nil, m.Load() == 7, "got %d", m.Load())
		}},
	}
}

func segmentUses(seg *shm.Segment) []proctest.Use {
	return []proctest.Use{
		{Name: "Check", Do: func(int) error { return seg.Check() }},
		{Name: "Objects", Silent: true, Do: func(int) error {
			for name, description := range seg.Objects() {
				if name == "" || description == "" {
					return fmt.Errorf("an object %q %q", name, description)
				}
			}
			return nil
		}},
		{Name: "New and RemoveObject", Do: func(i int) error {
			name := fmt.Sprint("n", i%5)
			v, err := shm.NewInt64(seg, name, 7)
			if err != nil {
				return room(err)
			}
			defer v.Detach()
			if err := seg.RemoveObject(name); err != nil {
				return err
			}
			return right(nil, v.Load() == 7, "got %d", v.Load())
		}},
		{Name: "Open what is not there", Do: func(i int) error {
			_, err := shm.OpenInt64(seg, "never")
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return right(err, false, "found")
		}},
		{Name: "RemoveObject of what is not there", Do: func(i int) error {
			err := seg.RemoveObject("never")
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return right(err, false, "removed")
		}},
		{Name: "String", Silent: true, Do: func(int) error { return right(nil, seg.String() != "" && seg.Size() > 0, "nothing") }},
	}
}
