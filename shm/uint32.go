package shm

import (
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
)

// A Uint32 is a uint32 in shared memory with the methods of [sync/atomic.Uint32], which have the
// same meaning between processes. It must not be copied. After Close its methods still work, but
// for this process alone.
type Uint32 struct {
	atomicObject
	p *atomic.Uint32 // in the segment
}

// NewUint32 finds the Uint32 of that name, or makes it with the initial value.
//
// Errors: those of [NewValue].
func NewUint32(seg *Segment, name string, initial uint32) (*Uint32, error) {
	a := new(Uint32)
	return checked(a, find(a, seg, atomicSpec(name, "<I", func(mem []byte) { at[atomic.Uint32](mem).Store(initial) })))
}

// OpenUint32 finds the Uint32 of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenUint32(seg *Segment, name string) (*Uint32, error) {
	a := new(Uint32)
	return checked(a, open(a, seg, atomicSpec(name, "<I", nil)))
}

// UnmarshalBinary makes a a handle of the Uint32 that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenUint32] and [Open].
func (a *Uint32) UnmarshalBinary(b []byte) error {
	return unmarshal(a, b, segment.KindAtomic, "<I")
}

func (a *Uint32) bind(o *segment.Object) error {
	p, err := atomicIn[atomic.Uint32](o)
	a.p = p
	a.watch(o)
	return err
}

// Load reads the value.
func (a *Uint32) Load() uint32 {
	v := a.p.Load()
	if a.gone() {
		v = 0
	}
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Store sets the value.
func (a *Uint32) Store(value uint32) {
	a.beginChange()
	a.p.Store(value)
	runtime.KeepAlive(a)
}

// Swap sets the value and returns the one before.
func (a *Uint32) Swap(value uint32) uint32 {
	a.beginChange()
	v := a.p.Swap(value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// CompareAndSwap sets the value if it is old, and reports whether it was.
func (a *Uint32) CompareAndSwap(old, value uint32) bool {
	a.beginChange()
	ok := a.p.CompareAndSwap(old, value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return ok
}

// Add adds delta and returns the sum.
func (a *Uint32) Add(delta uint32) uint32 {
	a.beginChange()
	v := a.p.Add(delta)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// And keeps the bits of mask and returns the value before.
func (a *Uint32) And(mask uint32) uint32 {
	a.beginChange()
	v := a.p.And(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Or sets the bits of mask and returns the value before.
func (a *Uint32) Or(mask uint32) uint32 {
	a.beginChange()
	v := a.p.Or(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}
