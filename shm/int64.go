package shm

import (
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
)

// An Int64 is an int64 in shared memory with the methods of [sync/atomic.Int64], which have the
// same meaning between processes. It must not be copied. After Close its methods still work, but
// for this process alone.
type Int64 struct {
	atomicObject
	p *atomic.Int64 // in the segment
}

// NewInt64 finds the Int64 of that name, or makes it with the initial value.
//
// Errors: those of [NewValue].
func NewInt64(seg *Segment, name string, initial int64) (*Int64, error) {
	a := new(Int64)
	return checked(a, find(a, seg, atomicSpec(name, "<q", func(mem []byte) { at[atomic.Int64](mem).Store(initial) })))
}

// OpenInt64 finds the Int64 of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenInt64(seg *Segment, name string) (*Int64, error) {
	a := new(Int64)
	return checked(a, open(a, seg, atomicSpec(name, "<q", nil)))
}

// UnmarshalBinary makes a a handle of the Int64 that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenInt64] and [Open].
func (a *Int64) UnmarshalBinary(b []byte) error {
	return unmarshal(a, b, segment.KindAtomic, "<q")
}

func (a *Int64) bind(o *segment.Object) error {
	p, err := atomicIn[atomic.Int64](o)
	a.p = p
	a.watch(o)
	return err
}

// Load reads the value.
func (a *Int64) Load() int64 {
	v := a.p.Load()
	if a.gone() {
		v = 0
	}
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Store sets the value.
func (a *Int64) Store(value int64) {
	a.beginChange()
	a.p.Store(value)
	runtime.KeepAlive(a)
}

// Swap sets the value and returns the one before.
func (a *Int64) Swap(value int64) int64 {
	a.beginChange()
	v := a.p.Swap(value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// CompareAndSwap sets the value if it is old, and reports whether it was.
func (a *Int64) CompareAndSwap(old, value int64) bool {
	a.beginChange()
	ok := a.p.CompareAndSwap(old, value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return ok
}

// Add adds delta and returns the sum.
func (a *Int64) Add(delta int64) int64 {
	a.beginChange()
	v := a.p.Add(delta)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// And keeps the bits of mask and returns the value before.
func (a *Int64) And(mask int64) int64 {
	a.beginChange()
	v := a.p.And(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Or sets the bits of mask and returns the value before.
func (a *Int64) Or(mask int64) int64 {
	a.beginChange()
	v := a.p.Or(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}
