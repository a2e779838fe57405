package shm

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/segment"
)

// A RawValue is one T in shared memory, without a lock: its user sees to it
// that no process reads what another one is writing, as with a lock of the package sync of this
// module. T is restricted as for [Value]. A RawValue must not be copied. After Close
// its methods still work, but for this process alone.
type RawValue[T any] struct {
	object
	p       *T             // in the segment
	bools   *elem.Bools    // of T
	watched *segment.Watch // nil: this process may write
	special bool           // bools or watched is not nil
}

// NewRawValue finds the RawValue of that name, or makes it with the initial value.
//
// Errors: those of [NewValue].
func NewRawValue[T any](seg *Segment, name string, initial T) (*RawValue[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	v := new(RawValue[T])
	return checked(v, find(v, seg, segment.Spec{
		Name: name, Kind: segment.KindRawValue, Type: t.Format, Size: int64(t.Size),
		Init: func(mem []byte) { *at[T](mem) = initial },
	}))
}

// OpenRawValue finds the RawValue of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenRawValue[T any](seg *Segment, name string) (*RawValue[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	v := new(RawValue[T])
	return checked(v, open(v, seg, segment.Spec{Name: name, Kind: segment.KindRawValue, Type: t.Format, Size: int64(t.Size)}))
}

// UnmarshalBinary makes v a handle of the RawValue that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenRawValue] and [Open].
func (v *RawValue[T]) UnmarshalBinary(b []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(v, b, segment.KindRawValue, t.Format)
}

func (v *RawValue[T]) bind(o *segment.Object) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	if len(o.Payload) != t.Size {
		return damaged(o)
	}
	v.o, v.p, v.bools, v.watched = o, at[T](o.Payload), t.Bools, o.Watched()
	v.special = v.bools != nil || v.watched != nil
	return nil
}

// Load reads the value.
func (v *RawValue[T]) Load() T {
	t := *v.p
	if v.special {
		t = lookedAt(t, v.bools, v.watched)
	}
	runtime.KeepAlive(v)
	return t
}

// Store writes the value.
func (v *RawValue[T]) Store(value T) {
	if v.watched != nil {
		panic(v.watched)
	}
	*v.p = value
	runtime.KeepAlive(v)
}

// Pointer is where the value is. It is valid as long as v is reachable; what is written there after
// the segment is closed is not seen by others. Where the process only reads a write ends the
// program with SIGSEGV, unless T has a bool: then it is a copy.
func (v *RawValue[T]) Pointer() *T {
	if v.watched != nil && v.bools != nil {
		t := v.Load()
		return &t
	}
	elem.MendAt(v.bools, v.p)
	return v.p
}
