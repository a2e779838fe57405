package describe

import (
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/elem"
)

func firstWord(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// Encoded is a value that package codec has written, which is CBOR.
type Encoded []byte

// A Form turns the bytes of a key or a value into what they stand for.
type Form struct {
	name   string
	layout *elem.Layout // nil: name is one of those of package elem
}

// FormOf is the form that a description names: a format, or a name of what has no fixed size.
//
// Errors: [ErrDamaged].
func FormOf(description string) (Form, error) {
	switch description {
	case elem.StringName, elem.BytesName, elem.CodecName:
		return Form{name: description}, nil
	}
	l, err := parse(description)
	return Form{layout: l}, err
}

// Value is what b stands for.
//
// Errors: [ErrDamaged] when b has another length than its type.
func (f Form) Value(b []byte) (any, error) {
	switch {
	case f.name == elem.StringName:
		return string(b), nil
	case f.name == elem.CodecName:
		return Encoded(b), nil
	case f.layout == nil:
		return b, nil
	case int64(len(b)) != f.layout.Size:
		return nil, fmt.Errorf("%w: a value has %d bytes, its type %d", ErrDamaged, len(b), f.layout.Size)
	}
	return f.layout.Value(b)
}
