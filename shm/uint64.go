package shm

import (
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
)

// A Uint64 is a uint64 in shared memory with the methods of [sync/atomic.Uint64], which have the
// same meaning between processes. It must not be copied. After Close its methods still work, but
// for this process alone.
type Uint64 struct {
	atomicObject
	p *atomic.Uint64 // in the segment
}

// NewUint64 finds the Uint64 of that name, or makes it with the initial value.
//
// Errors: those of [NewValue].
func NewUint64(seg *Segment, name string, initial uint64) (*Uint64, error) {
	a := new(Uint64)
	return checked(a, find(a, seg, atomicSpec(name, "<Q", func(mem []byte) { at[atomic.Uint64](mem).Store(initial) })))
}

// OpenUint64 finds the Uint64 of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenUint64(seg *Segment, name string) (*Uint64, error) {
	a := new(Uint64)
	return checked(a, open(a, seg, atomicSpec(name, "<Q", nil)))
}

// UnmarshalBinary makes a a handle of the Uint64 that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenUint64] and [Open].
func (a *Uint64) UnmarshalBinary(b []byte) error {
	return unmarshal(a, b, segment.KindAtomic, "<Q")
}

func (a *Uint64) bind(o *segment.Object) error {
	p, err := atomicIn[atomic.Uint64](o)
	a.p = p
	a.watch(o)
	return err
}

// Load reads the value.
func (a *Uint64) Load() uint64 {
	v := a.p.Load()
	if a.gone() {
		v = 0
	}
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Store sets the value.
func (a *Uint64) Store(value uint64) {
	a.beginChange()
	a.p.Store(value)
	runtime.KeepAlive(a)
}

// Swap sets the value and returns the one before.
func (a *Uint64) Swap(value uint64) uint64 {
	a.beginChange()
	v := a.p.Swap(value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// CompareAndSwap sets the value if it is old, and reports whether it was.
func (a *Uint64) CompareAndSwap(old, value uint64) bool {
	a.beginChange()
	ok := a.p.CompareAndSwap(old, value)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return ok
}

// Add adds delta and returns the sum.
func (a *Uint64) Add(delta uint64) uint64 {
	a.beginChange()
	v := a.p.Add(delta)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// And keeps the bits of mask and returns the value before.
func (a *Uint64) And(mask uint64) uint64 {
	a.beginChange()
	v := a.p.And(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}

// Or sets the bits of mask and returns the value before.
func (a *Uint64) Or(mask uint64) uint64 {
	a.beginChange()
	v := a.p.Or(mask)
	a.order.Acquire()
	runtime.KeepAlive(a)
	return v
}
