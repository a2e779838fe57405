// Package codec turns Go values into bytes and back, for another process of the same program or of another one: as CBOR
// (RFC 8949), with what Go programs can say to themselves, and with limits that keep hostile bytes from costing much. Values that
// implement [encoding.BinaryMarshaler], as handles of shared objects do, travel as what they write.
package codec

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

var (
	encoder = must(cbor.EncOptions{Time: cbor.TimeRFC3339NanoUTC}.EncMode())
	decoder = must(cbor.DecOptions{
		MaxNestedLevels: 256, MaxArrayElements: 1 << 30, MaxMapPairs: 1 << 30,
		UTF8: cbor.UTF8DecodeInvalid, // a Go string holds any bytes
	}.DecMode())
)

func must[M any](m M, err error) M {
	if err != nil {
		panic(err)
	}
	return m
}

// Check says why values of T can never travel, as far as the type alone tells.
func Check[T any]() error {
	t := reflect.TypeFor[T]()
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return fmt.Errorf("%v means nothing in another process", t)
	}
	return nil
}

// Append appends the bytes of v to b, which it may grow.
//
// Errors: what of v cannot be encoded; b is as it was, but for its room.
func Append(b *bytes.Buffer, v any) error {
	n := b.Len()
	if err := encoder.NewEncoder(b).Encode(v); err != nil {
		b.Truncate(n)
		return fmt.Errorf("encode a %T: %w", v, err)
	}
	return nil
}

// Encode returns the bytes of v.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := Append(&b, v)
	return b.Bytes(), err
}

// Decode sets what v points to from the bytes, which it does not keep.
//
// Errors: what does not fit.
func Decode(b []byte, v any) error {
	if err := decoder.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode %d bytes: %w", len(b), err)
	}
	return nil
}
