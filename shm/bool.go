package shm

import (
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
)

const boolFormat = "<I" // as sync/atomic does it: a word that is 0 or not

// A Bool is a bool in shared memory with the methods of [sync/atomic.Bool], which have the same
// meaning between processes. It must not be copied. After Close its methods still work, but for
// this process alone.
type Bool struct {
	atomicObject
	p *atomic.Uint32 // in the segment; 0: false
}

// NewBool finds the Bool of that name, or makes it with the initial value.
//
// Errors: those of [NewValue].
func NewBool(seg *Segment, name string, initial bool) (*Bool, error) {
	b := new(Bool)
	spec := atomicSpec(name, boolFormat, func(mem []byte) { at[atomic.Uint32](mem).Store(wordOf(initial)) })
	spec.Kind = segment.KindBool
	return checked(b, find(b, seg, spec))
}

// OpenBool finds the Bool of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenBool(seg *Segment, name string) (*Bool, error) {
	b := new(Bool)
	spec := atomicSpec(name, boolFormat, nil)
	spec.Kind = segment.KindBool
	return checked(b, open(b, seg, spec))
}

// UnmarshalBinary makes b a handle of the Bool that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenBool] and [Open].
func (b *Bool) UnmarshalBinary(data []byte) error {
	return unmarshal(b, data, segment.KindBool, boolFormat)
}

func (b *Bool) bind(o *segment.Object) error {
	p, err := atomicIn[atomic.Uint32](o)
	b.p = p
	b.watch(o)
	return err
}

func wordOf(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// Load reads the value.
func (b *Bool) Load() bool {
	v := b.p.Load()
	if b.gone() {
		v = 0
	}
	b.order.Acquire()
	runtime.KeepAlive(b)
	return v != 0
}

// Store sets the value.
func (b *Bool) Store(value bool) {
	b.beginChange()
	b.p.Store(wordOf(value))
	runtime.KeepAlive(b)
}

// Swap sets the value and returns the one before.
func (b *Bool) Swap(value bool) bool {
	b.beginChange()
	v := b.p.Swap(wordOf(value))
	b.order.Acquire()
	runtime.KeepAlive(b)
	return v != 0
}

// CompareAndSwap sets the value if it is old, and reports whether it was.
func (b *Bool) CompareAndSwap(old, value bool) bool {
	b.beginChange()
	w := b.p.Load() // any word but 0 is true, also one that a stranger has written
	ok := (w != 0) == old && b.p.CompareAndSwap(w, wordOf(value))
	b.order.Acquire()
	runtime.KeepAlive(b)
	return ok
}
