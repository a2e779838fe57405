// Package codec turns Go values into bytes and back, for another process of the same program or of
// another one: as CBOR (RFC 8949), which other languages read. A value comes back equal, or an
// error says at the sender why it cannot.
//
// A type has a plan, which [Check] makes: it refuses by its path what would arrive changed. What a
// type alone cannot tell, such as a cycle or what an interface holds, is an error of [Append].
//
//	Go                                   CBOR
//	bool, numbers, string, []byte        the same; a complex number is an array of two floats
//	slice, array                         array
//	map                                  map
//	struct                               map: the name of each field, and its value
//	pointer                              null, or what it points to
//	pointer to what can be null          null, or an array of what it points to
//	any                                  null, bool, string, int64, float64, []byte, []any,
//	                                     map[string]any as themselves; else tag 27: the name of the
//	                                     type, and the value
//	time.Time                            tag 0 in UTC; else an array, see time.go
//	MarshalBinary, GobEncode             byte string
//	MarshalText                          text
package codec

import (
	"bytes"
	"fmt"
	"reflect"
)

// Check says why values of T can never travel, as far as the type alone tells. The types that T
// contains can be in an any from then on: a program calls it for the same types in each of its
// processes.
//
// Errors: a [*TypeError].
func Check[T any]() error {
	w := walk{plans: map[reflect.Type]*plan{}}
	t := reflect.TypeFor[T]()
	if _, err := w.plan(t, rootName(t)); err != nil {
		return err
	}
	for t := range w.plans {
		register(t)
	}
	return nil
}

// Append appends the bytes of v to b, which it may grow.
//
// Errors: what of v cannot be encoded; b is as it was, but for its room.
func Append[T any](b *bytes.Buffer, v T) error {
	encoded, err := appendValue(b.AvailableBuffer(), reflect.ValueOf(&v).Elem())
	if err != nil {
		return err
	}
	b.Write(encoded)
	return nil
}

// Encode returns the bytes of v.
//
// Errors: what of v cannot be encoded.
func Encode[T any](v T) ([]byte, error) {
	return appendValue(nil, reflect.ValueOf(&v).Elem())
}

// Decode sets what v points to from the bytes, which it does not keep. It reads each of them once,
// so that they may change meanwhile.
//
// Errors: what does not fit; then *v may be half set.
func Decode[T any](b []byte, v *T) error {
	return decodeValue(b, reflect.ValueOf(v).Elem())
}

func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	p, err := planOf(v.Type())
	if err != nil {
		return nil, fmt.Errorf("encode a %v: %w", v.Type(), err)
	}
	e := encoder{b: b}
	if err := e.value(p, v); err != nil {
		return nil, fmt.Errorf("encode a %v: %w", v.Type(), err)
	}
	return e.b, nil
}

func decodeValue(b []byte, v reflect.Value) error {
	p, err := planOf(v.Type())
	if err != nil {
		return fmt.Errorf("decode a %v: %w", v.Type(), err)
	}
	d := decoder{b: b, spare: spareBytes}
	if err := d.value(p, v); err != nil {
		return fmt.Errorf("decode %d bytes: %w", len(b), err)
	}
	if len(d.b) > 0 {
		return fmt.Errorf("decode %d bytes: %d too many", len(b), len(d.b))
	}
	return nil
}
