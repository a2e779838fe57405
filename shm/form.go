package shm

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/elem"
)

// A form is how values of T are bytes in a Dict or a Var: those of a string or a []byte as they
// are, those of fixed size as in memory, all others by the codec.
type form[T any] struct {
	kind   formKind
	size   int         // in bytes, of formFixed; else 0
	format string      // for the directory
	bools  *elem.Bools // of formFixed
}

type formKind uint8

const (
	formFixed formKind = iota
	formString
	formBytes
	formCodec
)

// formOf says how values of T are bytes, or why they can never be.
func formOf[T any]() (form[T], error) {
	t := reflect.TypeFor[T]()
	switch {
	case t.Kind() == reflect.String:
		return form[T]{kind: formString, format: elem.StringName}, nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return form[T]{kind: formBytes, format: elem.BytesName}, nil
	}
	if e, err := elem.Of[T](); err == nil {
		return form[T]{formFixed, e.Size, e.Format, e.Bools}, nil
	}
	if err := codec.Check[T](); err != nil {
		return form[T]{}, fmt.Errorf("shm: %w", err)
	}
	return form[T]{kind: formCodec, format: elem.CodecName}, nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// encode returns the bytes of v, which are valid as long as v and the buffer are. The buffer is
// only for the codec, and nil for other forms; see [form.buffer].
//
// Errors: what of v cannot be encoded.
func (f *form[T]) encode(v *T, b *bytes.Buffer) ([]byte, error) {
	if f.kind != formCodec {
		return bytesAt(v, f.kind), nil
	}
	b.Reset()
	if err := codec.Append(b, *v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// buffer is for encode; done gives it back.
func (f *form[T]) buffer() *bytes.Buffer {
	if f.kind != formCodec {
		return nil
	}
	return buffers.Get().(*bytes.Buffer)
}

func (f *form[T]) done(b *bytes.Buffer) {
	if b != nil {
		buffers.Put(b)
	}
}

// decode makes a value of bytes, which are the value's from then on.
//
// Errors: [ErrCorrupt] when there is another number of them than T has; what the codec says.
func (f *form[T]) decode(b []byte) (v T, err error) {
	switch f.kind {
	case formFixed:
		if copy(bytesAt(&v, formFixed), b); len(b) != f.size {
			return v, errLength
		}
		if f.bools != nil {
			v = elem.Mended(f.bools, v)
		}
	case formCodec:
		if err := codec.Decode(b, &v); err != nil {
			return *new(T), err
		}
	default:
		setBytes(&v, f.kind, b)
	}
	return v, nil
}

var errLength = fmt.Errorf("%w: a value has another length than its type", ErrCorrupt)

// own returns bytes for decode that become those of the value, where it keeps them.
func (f *form[T]) own(b []byte) []byte {
	if f.kind == formString || f.kind == formBytes {
		return bytes.Clone(b)
	}
	return b
}
