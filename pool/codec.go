package pool

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/shmkit/shmkit/internal/elem"
)

// A codec turns values of one type into bytes and back.
type codec[T any] struct {
	raw int // size of T in bytes when it is copied as it is, else 0
}

// modes of CBOR: what Go programs can say to themselves, with no surprise for the reader.
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

// codecFor chooses how values of T travel.
func codecFor[T any]() (codec[T], error) {
	if t, err := elem.Of[T](); err == nil {
		return codec[T]{raw: t.Size}, nil
	}
	t := reflect.TypeFor[T]()
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return codec[T]{}, fmt.Errorf("%v means nothing in another process", t)
	}
	return codec[T]{}, nil
}

// encode returns the bytes of v; those of a raw type are v's own, not a copy.
func (c codec[T]) encode(v *T) ([]byte, error) {
	if c.raw > 0 {
		return bytesOf(v, c.raw), nil
	}
	var b bytes.Buffer
	if err := encoder.NewEncoder(&b).Encode(*v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decode makes a value from bytes, which it does not keep.
func (c codec[T]) decode(b []byte) (v T, err error) {
	if c.raw > 0 {
		if len(b) != c.raw {
			return v, fmt.Errorf("%d bytes for a %T of %d", len(b), v, c.raw)
		}
		copy(bytesOf(&v, c.raw), b)
		return v, nil
	}
	err = decoder.Unmarshal(b, &v)
	return v, err
}
