package shm

import (
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
)

// An Int32 is an int32 in shared memory with the methods of [sync/atomic.Int32], which have the
// same meaning between processes. It must not be copied. After Close its methods still work, but
// for this process alone.
type Int32 struct {
	atomicObject
	p *atomic.Int32 // in the segment
}

// NewInt32 finds the Int32 of that name, or makes it with the initial value.
//
// Errors: those of [NewValue].
func NewInt32(seg *Segment, name string, initial int32) (*Int32, error) {
	a := new(Int32)
	return checked(a, find(a, seg, atomicSpec(name, "<i", func(mem []byte) { at[atomic.Int32](mem).Store(initial) })))
}

// OpenInt32 finds the Int32 of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenInt32(seg *Segment, name string) (*Int32, error) {
	a := new(Int32)
	return checked(a, open(a, seg, atomicSpec(name, "<i", nil)))
}

// UnmarshalBinary makes a a handle of the Int32 that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenInt32] and [Open].
func (a *Int32) UnmarshalBinary(b []byte) error {
	return unmarshal(a, b, segment.KindAtomic, "<i")
}

func (a *Int32) bind(o *segment.Object) error {
	p, err := atomicIn[atomic.Int32](o)
	a.p = p
	a.watch(o)
	return err
}

// Load reads the value.
func (a *Int32) Load() int32 {
	v := a.p.Load()
	if a.gone() {
		v = 0
	}
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Store sets the value.
func (a *Int32) Store(value int32) {
	a.beginChange()
	a.p.Store(value)
	runtime.KeepAlive(a)
}

// Swap sets the value and returns the one before.
func (a *Int32) Swap(value int32) int32 {
	a.beginChange()
	v := a.p.Swap(value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// CompareAndSwap sets the value if it is old, and reports whether it was.
func (a *Int32) CompareAndSwap(old, value int32) bool {
	a.beginChange()
	ok := a.p.CompareAndSwap(old, value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return ok
}

// Add adds delta and returns the sum.
func (a *Int32) Add(delta int32) int32 {
	a.beginChange()
	v := a.p.Add(delta)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// And keeps the bits of mask and returns the value before.
func (a *Int32) And(mask int32) int32 {
	a.beginChange()
	v := a.p.And(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Or sets the bits of mask and returns the value before.
func (a *Int32) Or(mask int32) int32 {
	a.beginChange()
	v := a.p.Or(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}
