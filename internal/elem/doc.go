// Package elem describes the element types of shared memory.
//
// A [Type] is computed from a Go type by reflection, once, and cached. Its Format is a PEP 3118
// format string, the notation of Python's ctypes and NumPy, which is stored beside the elements so
// that another program, in any language, knows what they are:
//
//	type Point struct {
//		X int32
//		Y float64
//		N [16]byte
//	}
//	t, err := elem.Of[Point]() // t.Format == "T{<i:X:xxxx<d:Y:(16)<B:N:}", t.Size == 32
//
// A [Layout] is the parsed form of such a string, and [Diff] says in words where two of them
// differ.
//
// Only types of fixed size that hold no address can be elements. The others are refused with an
// [UnsupportedTypeError] that names the field.
//
// # Caveats
// Parse and Diff read strings from files that another program may have written. They accept the
// strings that this package, ctypes and NumPy write for fixed-size numbers, with explicit padding.
// They refuse codes with a size that depends on the machine (l, L, n, N, P), bit fields, pointers
// and implicit alignment. Length, nesting and size are limited, and the time is linear in the
// length.
package elem
