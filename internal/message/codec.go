package message

import (
	"fmt"
	"reflect"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/guard"
)

// A Codec turns values of one type into bytes and back. It is made by [For].
type Codec[T any] struct {
	form   form
	size   int // of a value or an element that is copied as it is, in bytes
	bools  *elem.Bools
	format string
}

// A form is the way in which values travel.
type form uint8

const (
	formWire  form = iota
	formRaw        // as their own bytes
	formSlice      // as the bytes of their elements
)

// For chooses how values of T travel.
//
// Errors: T, or a part of it, would arrive changed.
func For[T any]() (Codec[T], error) {
	refused := wire.Check[T]() // also of what is copied: then an any can hold it
	t := reflect.TypeFor[T]()
	if e, err := elem.OfType(t); err == nil && !wire.WritesItself(t) {
		return Codec[T]{formRaw, e.Size, e.Bools, e.Format}, nil
	}
	if t.Kind() == reflect.Slice && !wire.WritesItself(t) {
		if e, err := elem.OfType(t.Elem()); err == nil {
			return Codec[T]{formSlice, e.Size, e.Bools, e.Format}, nil
		}
	}
	return Codec[T]{}, refused
}

// Signature is equal for codecs that understand each other.
func (c Codec[T]) Signature() string {
	switch c.form {
	case formRaw:
		return c.format
	case formSlice:
		return "[]" + c.format
	}
	return "cbor"
}

// IsWire says that values go through CBOR, which may call methods of theirs.
func (c Codec[T]) IsWire() bool { return c.form == formWire }

// Encode returns the bytes of v; those of a raw type or slice are v's own, not a copy. They are nil
// for a nil slice alone.
//
// Errors: what of v cannot be encoded; a panic of a method of v.
func (c Codec[T]) Encode(v *T) (b []byte, err error) {
	switch c.form {
	case formRaw:
		return bytesOf(v, c.size), nil
	case formSlice:
		return bytesOfSlice(v, c.size), nil
	}
	return encodeWire(v)
}

// encodeWire is not inlined into Encode so that values of raw types need not live in the heap.
//
//go:noinline
func encodeWire[T any](v *T) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("encode a %T: %w", *v, guard.Recovered(p))
		}
	}()
	return wire.Encode(*v)
}

// Decode makes a value from bytes, which it does not keep. Nil makes a nil slice.
//
// Errors: what does not fit; a panic of a method of T.
func (c Codec[T]) Decode(b []byte) (v T, err error) {
	switch c.form {
	case formRaw:
		if len(b) != c.size {
			return v, fmt.Errorf("%d bytes for a %v of %d", len(b), reflect.TypeFor[T](), c.size)
		}
		copy(bytesOf(&v, c.size), b)
		c.bools.Mend(bytesOf(&v, c.size))
		return v, nil
	case formSlice:
		if len(b)%c.size != 0 {
			return v, fmt.Errorf("%d bytes for a %v of elements of %d", len(b), reflect.TypeFor[T](), c.size)
		}
		if b == nil {
			return v, nil
		}
		v = makeSlice[T](len(b) / c.size)
		copy(bytesOfSlice(&v, c.size), b)
		c.bools.Mend(bytesOfSlice(&v, c.size))
		return v, nil
	}
	return decodeWire[T](b)
}

//go:noinline
func decodeWire[T any](b []byte) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			var none T
			v, err = none, fmt.Errorf("decode a %v: %w", reflect.TypeFor[T](), guard.Recovered(p))
		}
	}()
	err = wire.Decode(b, &v)
	return v, err
}

// makeSlice makes a slice of n elements, which is not nil.
func makeSlice[T any](n int) (v T) {
	s := reflect.ValueOf(&v).Elem()
	s.Set(reflect.MakeSlice(s.Type(), n, n))
	return v
}
