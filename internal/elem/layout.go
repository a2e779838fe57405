package elem

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Limits of a description, whether it comes from a Go type or from a string.
const (
	MaxFormat = 64 << 10 // length of a format string, in bytes
	MaxDepth  = 64       // structs within structs
	MaxSize   = 1 << 40  // size of an element, in bytes
)

// Layout describes the bytes of an element: a number, a struct, or an array of either.
//
// Invariants, for every Layout that this package returns:
//   - Size is Unit times the product of Dims, and between 1 and [MaxSize].
//   - Fields are in the order of their offsets, do not overlap, and lie within Unit.
//   - Field names are not empty, printable, without a colon, and differ from each other.
type Layout struct {
	// Dims are the lengths of nested arrays, outermost first: [2][3]int16 has {2, 3}. Empty: not an
	// array.
	Dims []int64

	// Code is the format code of a number: one of ? b B h H i I q Q f d Zf Zd. Empty for a struct.
	Code string

	// BigEndian is the byte order of a number. It is that of the machine for numbers of one byte.
	BigEndian bool

	// Fields of a struct. Blank fields are not listed; they are padding.
	Fields []Field

	// Unit is the size of one number or struct in bytes, Size that of the whole array.
	Unit, Size int64
}

// Field is a field of a struct.
type Field struct {
	Name   string
	Offset int64 // from the start of the struct, in bytes
	Layout Layout
}

// number describes the number that a format code stands for.
type number struct {
	goName string
	size   int64
}

var numbers = map[string]number{
	"?": {"bool", 1},
	"b": {"int8", 1}, "B": {"uint8", 1},
	"h": {"int16", 2}, "H": {"uint16", 2},
	"i": {"int32", 4}, "I": {"uint32", 4},
	"q": {"int64", 8}, "Q": {"uint64", 8},
	"f": {"float32", 4}, "d": {"float64", 8},
	"Zf": {"complex64", 8}, "Zd": {"complex128", 16},
}

// bigEndian is the byte order of this machine.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

func (l *Layout) isScalar() bool  { return l.Code != "" && len(l.Dims) == 0 }
func (l *Layout) isComplex() bool { return strings.HasPrefix(l.Code, "Z") }

// goName is the type as a Go programmer would write it, with the word struct for any struct.
func (l *Layout) goName() string {
	var b strings.Builder
	if l.BigEndian != bigEndian && l.Code != "" {
		b.WriteString(orderName(l.BigEndian) + " ")
	}
	for _, n := range l.Dims {
		b.WriteString("[" + strconv.FormatInt(n, 10) + "]")
	}
	if l.Code == "" {
		b.WriteString("struct")
	} else {
		b.WriteString(numbers[l.Code].goName)
	}
	return b.String()
}

func orderName(big bool) string {
	if big {
		return "big-endian"
	}
	return "little-endian"
}

// setSize sets Size from Unit and Dims. It reports false if the size is out of range.
func (l *Layout) setSize() bool {
	size := l.Unit
	for _, n := range l.Dims {
		if n < 1 || size > MaxSize/n {
			return false
		}
		size *= n
	}
	l.Size = size
	return size >= 1 && size <= MaxSize
}
