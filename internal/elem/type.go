package elem

import (
	"reflect"
	"sync"
)

// Type describes a Go type that can be an element of shared memory. It is immutable and may be used
// by any number of goroutines.
type Type struct {
	// Format is the PEP 3118 format string of the type, at most [MaxFormat] bytes.
	Format string

	// Size is the size of one element in bytes, at least 1 and at most [MaxSize]. It is a multiple
	// of Align.
	Size int

	// Align is the alignment that Go wants for the type, in bytes: a power of two.
	Align int

	// Words says that the type is a single number or bool of 1, 2, 4 or 8 bytes, aligned to its
	// size and not wider than a machine word: one load reads it whole.
	Words bool

	// Bools says where the bools lie; it is nil for a type without bools.
	Bools *Bools
}

// cache maps a reflect.Type to its *result. Refusals are kept too, so that they cost one lookup.
var cache sync.Map

type result struct {
	typ *Type
	err error
}

// Of describes T. The first call for a type uses reflection; later calls are a lookup without a
// lock and without an allocation.
//
// Errors: [UnsupportedTypeError] if T cannot be an element.
func Of[T any]() (*Type, error) {
	return OfType(reflect.TypeFor[T]())
}

// OfSameBinary is [OfType] for values that only processes of one binary share. It takes int and
// uint, too, and types without bytes, such as struct{}: then Size may be 0. The Format does not
// tell them from others.
func OfSameBinary(t reflect.Type) (*Type, error) { return describe(t, true) }

// OfType is [Of] for a type that is known only at run time.
func OfType(t reflect.Type) (*Type, error) {
	if t == nil {
		return nil, &UnsupportedTypeError{Path: "nil", Reason: "is a value without a type"}
	}
	if r, ok := cache.Load(t); ok {
		return r.(*result).typ, r.(*result).err
	}
	r := new(result)
	r.typ, r.err = describe(t, false)
	// Two goroutines may describe the same type at once; all callers get the same *Type.
	kept, _ := cache.LoadOrStore(t, r)
	return kept.(*result).typ, kept.(*result).err
}

func describe(t reflect.Type, local bool) (*Type, error) {
	l, err := layoutOf(t, local)
	if err != nil {
		return nil, err
	}
	format := l.String()
	if len(format) > MaxFormat {
		return nil, &UnsupportedTypeError{Type: t, Path: rootName(t), Reason: tooManyFields}
	}
	size, align := int(t.Size()), t.Align()
	return &Type{
		Format: format,
		Size:   size,
		Align:  align,
		Words:  l.isScalar() && !l.isComplex() && align == size && size <= wordBytes,
		Bools:  boolsOf(l),
	}, nil
}

// wordBytes is the size of a machine word.
var wordBytes = int(reflect.TypeFor[uintptr]().Size())
