package pool

import (
	"encoding"
	"fmt"
	"reflect"
	"runtime/debug"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/elem"
)

// A codec turns values of one type into bytes and back. Values of fixed size, and slices of such values, are
// their own bytes; all others go through CBOR.
type codec[T any] struct {
	raw     int         // size of T in bytes when it is copied as it is, else 0
	element int         // size of the elements when T is a slice whose elements are copied as they are, else 0
	bools   *elem.Bools // of what is copied as it is
}

// isWire says that values go through CBOR, which calls methods of theirs.
func (c codec[T]) isWire() bool { return c.raw == 0 && c.element == 0 }

// codecFor chooses how values of T travel.
func codecFor[T any]() (codec[T], error) {
	refused := wire.Check[T]() // also of what is copied: then an any can hold it
	if t, err := elem.Of[T](); err == nil {
		return codec[T]{raw: t.Size, bools: t.Bools}, nil
	}
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Slice && !selfMade(t) {
		if e, err := elem.OfType(t.Elem()); err == nil && e.Size > 0 && !selfMade(t.Elem()) {
			return codec[T]{element: e.Size, bools: e.Bools}, nil
		}
	}
	return codec[T]{}, refused
}

// selfMade says that values of t write their own bytes.
func selfMade(t reflect.Type) bool {
	return t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler)
}

var marshaler = reflect.TypeFor[encoding.BinaryMarshaler]()

// encode returns the bytes of v; those of a raw type or slice are v's own, not a copy.
func (c codec[T]) encode(v *T) (b []byte, err error) {
	switch {
	case c.raw > 0:
		return bytesOf(v, c.raw), nil
	case c.element > 0:
		return bytesOfSlice(v, c.element), nil
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

// decode makes a value from bytes, which it does not keep.
func (c codec[T]) decode(b []byte) (v T, err error) {
	switch {
	case c.raw > 0:
		if len(b) != c.raw {
			return v, fmt.Errorf("%d bytes for a %T of %d", len(b), v, c.raw)
		}
		copy(bytesOf(&v, c.raw), b)
		c.bools.Mend(bytesOf(&v, c.raw))
		return v, nil
	case c.element > 0:
		if len(b)%c.element != 0 {
			return v, fmt.Errorf("%d bytes for a %T of elements of %d", len(b), v, c.element)
		}
		b = append([]byte(nil), b...)
		c.bools.Mend(b)
		setSlice(&v, b, c.element)
		return v, nil
	}
	return decodeWire[T](b)
}

// view is decode for bytes that stay as they are while the value is in use, so that a slice need not be copied.
func (c codec[T]) view(b []byte) (v T, err error) {
	if c.element == 0 {
		return c.decode(b)
	}
	if len(b)%c.element != 0 {
		return v, fmt.Errorf("%d bytes for a %T of elements of %d", len(b), v, c.element)
	}
	if len(b) > 0 && !aligned(b) {
		return c.decode(b)
	}
	c.bools.Mend(b)
	setSlice(&v, b, c.element)
	return v, nil
}

// receive is decode for the parent, which a panic of an UnmarshalBinary must not end. In a worker it is a panic of the task.
func (c codec[T]) receive(b []byte) (v T, err error) {
	if c.raw > 0 || c.element > 0 {
		return c.decode(b)
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
func panicIn(what string, p any) error {
	stack := debug.Stack()
	return fmt.Errorf("%s: %w", what, &PanicError{Value: fmt.Sprint(p), Stack: string(stack[:min(len(stack), maxStack)])})
}
