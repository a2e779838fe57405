package shm

import (
	"math"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
)

const floatFormat = "<d"

// A Float64 is a float64 in shared memory with methods as those of [sync/atomic.Int64].
// It must not be copied. After Close its methods still work, but for this process alone.
type Float64 struct {
	atomicObject
	p *atomic.Uint64 // in the segment; the bits
}

// NewFloat64 finds the Float64 of that name, or makes it with the initial value.
//
// Errors: those of [NewValue].
func NewFloat64(seg *Segment, name string, initial float64) (*Float64, error) {
	a := new(Float64)
	return checked(a, find(a, seg, atomicSpec(name, floatFormat, func(mem []byte) {
		at[atomic.Uint64](mem).Store(math.Float64bits(initial))
	})))
}

// OpenFloat64 finds the Float64 of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenFloat64(seg *Segment, name string) (*Float64, error) {
	a := new(Float64)
	return checked(a, open(a, seg, atomicSpec(name, floatFormat, nil)))
}

// UnmarshalBinary makes a a handle of the Float64 that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenFloat64] and [Open].
func (a *Float64) UnmarshalBinary(b []byte) error {
	return unmarshal(a, b, segment.KindAtomic, floatFormat)
}

func (a *Float64) bind(o *segment.Object) error {
	p, err := atomicIn[atomic.Uint64](o)
	a.p = p
	a.watch(o)
	return err
}

// Load reads the value.
func (a *Float64) Load() float64 {
	v := a.p.Load()
	if a.gone() {
		v = 0
	}
	a.order.Acquire()
	runtime.KeepAlive(a)
	return math.Float64frombits(v)
}

// Store sets the value.
func (a *Float64) Store(value float64) {
	a.beginChange()
	a.p.Store(math.Float64bits(value))
	runtime.KeepAlive(a)
}

// Swap sets the value and returns the one before.
func (a *Float64) Swap(value float64) float64 {
	a.beginChange()
	v := a.p.Swap(math.Float64bits(value))
	a.order.Acquire()
	runtime.KeepAlive(a)
	return math.Float64frombits(v)
}

// CompareAndSwap sets the value if it is old, bit for bit, and reports whether it
// was: a NaN can be swapped, and 0 is not −0.
func (a *Float64) CompareAndSwap(old, value float64) bool {
	a.beginChange()
	ok := a.p.CompareAndSwap(math.Float64bits(old), math.Float64bits(value))
	a.order.Acquire()
	runtime.KeepAlive(a)
	return ok
}

// Add adds delta and returns the sum, by compare-and-swap.
func (a *Float64) Add(delta float64) float64 {
	a.beginChange()
	for {
		old := a.p.Load()
		sum := math.Float64frombits(old) + delta
		if a.p.CompareAndSwap(old, math.Float64bits(sum)) {
			a.order.Acquire()
			runtime.KeepAlive(a)
			return sum
		}
	}
}
