package pool

import (
	"fmt"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/elem"
)

// A codec turns values of one type into bytes and back.
type codec[T any] struct {
	raw int // size of T in bytes when it is copied as it is, else 0
}

// codecFor chooses how values of T travel.
func codecFor[T any]() (codec[T], error) {
	if t, err := elem.Of[T](); err == nil {
		return codec[T]{raw: t.Size}, nil
	}
	return codec[T]{}, wire.Check[T]()
}

// encode returns the bytes of v; those of a raw type are v's own, not a copy.
func (c codec[T]) encode(v *T) ([]byte, error) {
	if c.raw > 0 {
		return bytesOf(v, c.raw), nil
	}
	return wire.Encode(*v)
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
	err = wire.Decode(b, &v)
	return v, err
}
