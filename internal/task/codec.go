package task

import (
	"bytes"
	"fmt"
	"reflect"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/guard"
)

// A Codec turns values of one type into bytes and back. Values of fixed size, and slices of such
// values, are their own bytes; all others go through CBOR. The zero value is a codec of the latter
// kind.
type Codec[T any] struct {
	Way   way
	Size  int         // of a value or an element that is copied as it is, in bytes
	Bools *elem.Bools // of it
}

// A way is how the values of a codec travel.
type way uint8

const (
	WayWire  way = iota
	WayRaw       // as their own bytes
	WaySlice     // as the bytes of their elements
)

// IsWire says that values go through CBOR, which calls methods of theirs.
func (c Codec[T]) IsWire() bool { return c.Way == WayWire }

// CodecFor chooses how values of T travel.
func CodecFor[T any]() (Codec[T], error) {
	refused := wire.Check[T]() // also of what is copied: then an any can hold it
	t := reflect.TypeFor[T]()
	// a worker is the same binary
	if e, err := elem.OfSameBinary(t); err == nil && !wire.WritesItself(t) {
		return Codec[T]{WayRaw, e.Size, e.Bools}, nil
	}
	if t.Kind() == reflect.Slice && !wire.WritesItself(t) {
		if e, err := elem.OfSameBinary(t.Elem()); err == nil && e.Size > 0 {
			return Codec[T]{WaySlice, e.Size, e.Bools}, nil
		}
	}
	return Codec[T]{}, refused
}

// Encode returns the bytes of v; those of a raw type or slice are v's own, not a copy. They are nil
// for a nil slice alone.
func (c Codec[T]) Encode(v *T) (b []byte, err error) {
	switch c.Way {
	case WayRaw:
		return bytesOf(v, c.Size), nil
	case WaySlice:
		return BytesOfSlice(v, c.Size), nil
	}
	return encodeWire(v)
}

// encodeWire is not inlined into encode so that values of raw types need not live in the heap.
//
//go:noinline
func encodeWire[T any](v *T) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil { // of a MarshalBinary
			b, err = nil, panicIn(fmt.Sprintf("encode a %T", *v), p)
		}
	}()
	return wire.Encode(*v)
}

// Decode makes a value from bytes, which it does not keep. It reads them once: they may change
// meanwhile.
func (c Codec[T]) Decode(b []byte) (v T, err error) {
	switch c.Way {
	case WayRaw:
		if len(b) != c.Size {
			return v, fmt.Errorf("%d bytes for a %T of %d", len(b), v, c.Size)
		}
		copy(bytesOf(&v, c.Size), b)
		c.Bools.Mend(bytesOf(&v, c.Size))
		return v, nil
	case WaySlice:
		if len(b)%c.Size != 0 {
			return v, c.torn(b)
		}
		b = bytes.Clone(b)
		c.Bools.Mend(b)
		setSlice(&v, b, c.Size)
		return v, nil
	}
	return decodeWire[T](b)
}

// torn is the error for bytes that are no whole number of elements.
func (c Codec[T]) torn(b []byte) error {
	return fmt.Errorf("%d bytes for a %T of elements of %d", len(b), *new(T), c.Size)
}

// view is decode for bytes that stay as they are while the value is in use, so that a slice need
// not be copied. Elements with bools are copied all the same: no other process may change those.
func (c Codec[T]) view(b []byte) (v T, err error) {
	if c.Way != WaySlice || c.Bools != nil {
		return c.Decode(b)
	}
	if len(b)%c.Size != 0 {
		return v, c.torn(b)
	}
	if len(b) > 0 && !aligned(b) {
		return c.Decode(b)
	}
	setSlice(&v, b, c.Size)
	return v, nil
}

// Receive is decode for the parent, which a panic of an UnmarshalBinary must not end. In a worker
// it is a panic of the task.
func (c Codec[T]) Receive(b []byte) (v T, err error) {
	if !c.IsWire() {
		return c.Decode(b)
	}
	return receiveWire[T](b)
}

//go:noinline
func receiveWire[T any](b []byte) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			var none T
			v, err = none, panicIn(fmt.Sprintf("decode a %T", none), p)
		}
	}()
	return decodeWire[T](b)
}

//go:noinline
func decodeWire[T any](b []byte) (v T, err error) {
	err = wire.Decode(b, &v)
	return v, err
}

// panicIn is the error for a panic with p. It is called where that is recovered.
func panicIn(what string, p any) error { return fmt.Errorf("%s: %w", what, guard.Recovered(p)) }
