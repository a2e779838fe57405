//go:build linux

package shm_test

import (
	"context"
	"errors"
	"math"
	"unsafe"

	"github.com/shmkit/shmkit/shm"
)

type (
	valueHandle    struct{ *shm.Value[item] }
	rawValueHandle struct{ *shm.RawValue[item] }
	arrayHandle    struct{ *shm.Array[item] }
	rawArrayHandle struct{ *shm.RawArray[item] }
	int32Handle    struct{ *shm.Int32 }
	uint32Handle   struct{ *shm.Uint32 }
	int64Handle    struct{ *shm.Int64 }
	uint64Handle   struct{ *shm.Uint64 }
	boolHandle     struct{ *shm.Bool }
	floatHandle    struct{ *shm.Float64 }
	counterHandle  struct{ *shm.Counter }
)

// errNoBool says that a bool is neither true nor false.
var errNoBool = errors.New("a bool was made of a byte that is none")

// isBool looks at the byte of the item's bool.
func isBool(i item) error {
	if *(*byte)(unsafe.Pointer(&i.C)) > 1 {
		return errNoBool
	}
	return nil
}

func (v valueHandle) use(ctx context.Context, n uint64, tamper func()) error {
	loaded, load := v.Load()
	if err := isBool(loaded); err != nil {
		return err
	}
	store := v.Store(ctx, item{A: int64(n)})
	update := v.Update(ctx, func(i *item) error {
		i.A++
		tamper()
		if n%4 == 0 {
			return errRefused
		}
		return nil
	})
	_, again := v.Load()
	return errors.Join(load, store, update, again)
}

func (v rawValueHandle) use(_ context.Context, n uint64, _ func()) error {
	i := v.Load()
	if err := isBool(i); err != nil {
		return err
	}
	i.A += int64(n)
	v.Store(i)
	v.Pointer().B[n%3]++
	return nil
}

func (a arrayHandle) use(ctx context.Context, n uint64, tamper func()) error {
	size := uint64(a.Len())
	change := func(e []item) error {
		for i := range e {
			e[i].A++
		}
		tamper()
		if n%4 == 0 {
			return errRefused
		}
		return nil
	}
	if size == 0 {
		return a.Update(ctx, change)
	}
	i := int(n % size)
	got, at := a.At(ctx, i)
	if err := isBool(got); err != nil {
		return err
	}
	set := a.Set(ctx, i, item{A: int64(n)})
	update := a.Update(ctx, change)
	part := a.UpdateRange(ctx, i, min(i+2, a.Len()), change)
	read := a.Read(ctx, func(e []item) error {
		tamper()
		if len(e) != a.Len() {
			return errors.New("an array of another length")
		}
		return nil
	})
	for range a.All() {
		a.Slice()[i].A++
	}
	return errors.Join(at, set, update, part, read)
}

func (a rawArrayHandle) use(_ context.Context, n uint64, _ func()) error {
	for i, e := range a.All() {
		if err := errors.Join(isBool(e), isBool(a.At(i))); err != nil {
			return err
		}
		e.A += int64(n)
		a.Set(i, e)
		a.Slice()[i].B = a.At(i).B
	}
	return nil
}

func (a int32Handle) use(_ context.Context, n uint64, _ func()) error {
	a.CompareAndSwap(a.Load(), int32(n))
	a.Add(a.Swap(int32(n)))
	a.And(a.Or(int32(n)))
	a.Store(1)
	return nil
}

func (a uint32Handle) use(_ context.Context, n uint64, _ func()) error {
	a.CompareAndSwap(a.Load(), uint32(n))
	a.Add(a.Swap(uint32(n)))
	a.And(a.Or(uint32(n)))
	a.Store(1)
	return nil
}

func (a int64Handle) use(_ context.Context, n uint64, _ func()) error {
	a.CompareAndSwap(a.Load(), int64(n))
	a.Add(a.Swap(int64(n)))
	a.And(a.Or(int64(n)))
	a.Store(1)
	return nil
}

func (a uint64Handle) use(_ context.Context, n uint64, _ func()) error {
	a.CompareAndSwap(a.Load(), n)
	a.Add(a.Swap(n))
	a.And(a.Or(n))
	a.Store(1)
	return nil
}

func (b boolHandle) use(_ context.Context, n uint64, _ func()) error {
	b.CompareAndSwap(b.Load(), n%2 == 0)
	b.Store(!b.Swap(n%3 == 0))
	return nil
}

func (a floatHandle) use(_ context.Context, n uint64, _ func()) error {
	a.CompareAndSwap(a.Load(), math.Float64frombits(n))
	a.Add(a.Swap(math.Float64frombits(n)))
	a.Store(1)
	return nil
}

func (c counterHandle) use(_ context.Context, n uint64, _ func()) error {
	c.Add(int64(n))
	c.Sum()
	return nil
}
