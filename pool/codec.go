package pool

import (
	"fmt"
	"reflect"
	"runtime/debug"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/elem"
)

// A codec turns values of one type into bytes and back. Values of fixed size, and slices of such values, are
// their own bytes; all others go through CBOR. The zero value is a codec of the latter kind.
type codec[T any] struct {
	way   way
	size  int         // of a value or an element that is copied as it is, in bytes
	bools *elem.Bools // of it
}

// A way is how the values of a codec travel.
type way uint8

const (
	wayWire  way = iota
	wayRaw       // as their own bytes
	waySlice     // as the bytes of their elements
)

// isWire says that values go through CBOR, which calls methods of theirs.
func (c codec[T]) isWire() bool { return c.way == wayWire }

// codecFor chooses how values of T travel.
func codecFor[T any]() (codec[T], error) {
	refused := wire.Check[T]() // also of what is copied: then an any can hold it
	t := reflect.TypeFor[T]()
	if e, err := elem.OfSameBinary(t); err == nil && !wire.WritesItself(t) { // a worker is the same binary
		return codec[T]{wayRaw, e.Size, e.Bools}, nil
	}
	if t.Kind() == reflect.Slice && !wire.WritesItself(t) {
		if e, err := elem.OfSameBinary(t.Elem()); err == nil && e.Size > 0 {
			return codec[T]{waySlice, e.Size, e.Bools}, nil
		}
	}
	return codec[T]{}, refused
}

// encode returns the bytes of v; those of a raw type or slice are v's own, not a copy.
func (c codec[T]) encode(v *T) (b []byte, err error) {
	switch c.way {
	case wayRaw:
		return bytesOf(v, c.size), nil
	case waySlice:
		return bytesOfSlice(v, c.size), nil
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

// decode makes a value from bytes, which it does not keep. It reads them once: they may change meanwhile.
func (c codec[T]) decode(b []byte) (v T, err error) {
	switch c.way {
	case wayRaw:
		if len(b) != c.size {
			return v, fmt.Errorf("%d bytes for a %T of %d", len(b), v, c.size)
		}
		copy(bytesOf(&v, c.size), b)
		c.bools.Mend(bytesOf(&v, c.size))
		return v, nil
	case waySlice:
		if len(b)%c.size != 0 {
			return v, c.torn(b)
		}
		b = append([]byte(nil), b...)
		c.bools.Mend(b)
		setSlice(&v, b, c.size)
		return v, nil
	}
	return decodeWire[T](b)
}

// torn is the error for bytes that are no whole number of elements.
func (c codec[T]) torn(b []byte) error {
	return fmt.Errorf("%d bytes for a %T of elements of %d", len(b), *new(T), c.size)
}

// view is decode for bytes that stay as they are while the value is in use, so that a slice need not be copied.
// Elements with bools are copied all the same: no other process may change those.
func (c codec[T]) view(b []byte) (v T, err error) {
	if c.way != waySlice || c.bools != nil {
		return c.decode(b)
	}
	if len(b)%c.size != 0 {
		return v, c.torn(b)
	}
	if len(b) > 0 && !aligned(b) {
		return c.decode(b)
	}
	setSlice(&v, b, c.size)
	return v, nil
}

// receive is decode for the parent, which a panic of an UnmarshalBinary must not end. In a worker it is a panic of the task.
func (c codec[T]) receive(b []byte) (v T, err error) {
	if !c.isWire() {
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
