package elem

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Struct is what [Layout.Value] makes of a struct: its fields in their order.
type Struct []Member

// A Member is a field of a [Struct].
type Member struct {
	Name  string
	Value any
}

// Value is what mem holds: a bool, an int64, a uint64, a float32, a float64, a complex128, a
// [Struct] or a slice of these. An array of bytes that is text, with zeros behind it or not, is a
// string.
//
// Errors: mem is shorter than the element.
func (l *Layout) Value(mem []byte) (any, error) {
	if int64(len(mem)) < l.Size {
		return nil, fmt.Errorf("%d bytes: the type has %d", len(mem), l.Size)
	}
	return l.array(l.Dims, mem), nil
}

// array is the value of nested arrays with these lengths.
func (l *Layout) array(dims []int64, mem []byte) any {
	if len(dims) == 0 {
		return l.one(mem)
	}
	inner := l.Unit
	for _, n := range dims[1:] {
		inner *= n
	}
	if len(dims) == 1 && l.Code == "B" {
		if text, ok := textIn(mem[:dims[0]]); ok {
			return text
		}
	}
	all := make([]any, dims[0])
	for i := range all {
		all[i] = l.array(dims[1:], mem[int64(i)*inner:])
	}
	return all
}

// textIn is the text that b begins with, if zeros alone follow it.
func textIn(b []byte) (text string, ok bool) {
	text = strings.TrimRight(string(b), "\x00")
	printable := func(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }
	return text, text != "" && !slices.ContainsFunc([]rune(text), func(r rune) bool { return !printable(r) })
}

// one is the value of one number or struct.
func (l *Layout) one(mem []byte) any {
	if l.Code == "" {
		s := make(Struct, len(l.Fields))
		for i := range l.Fields {
			f := &l.Fields[i]
			s[i] = Member{f.Name, f.Layout.array(f.Layout.Dims, mem[f.Offset:])}
		}
		return s
	}
	var order binary.ByteOrder = binary.LittleEndian
	if l.BigEndian {
		order = binary.BigEndian
	}
	switch l.Code {
	case "?":
		return mem[0] != 0
	case "b":
		return int64(int8(mem[0]))
	case "B":
		return uint64(mem[0])
	case "h":
		return int64(int16(order.Uint16(mem)))
	case "H":
		return uint64(order.Uint16(mem))
	case "i":
		return int64(int32(order.Uint32(mem)))
	case "I":
		return uint64(order.Uint32(mem))
	case "q":
		return int64(order.Uint64(mem))
	case "Q":
		return order.Uint64(mem)
	case "f":
		return math.Float32frombits(order.Uint32(mem))
	case "d":
		return math.Float64frombits(order.Uint64(mem))
	case "Zf":
		return complex(float64(math.Float32frombits(order.Uint32(mem))), float64(math.Float32frombits(order.Uint32(mem[4:]))))
	}
	return complex(math.Float64frombits(order.Uint64(mem)), math.Float64frombits(order.Uint64(mem[8:])))
}

// GoType is the type in Go's syntax, with the fields of structs.
func (l *Layout) GoType() string {
	if l.Code != "" {
		return l.goName()
	}
	var b strings.Builder
	for _, n := range l.Dims {
		b.WriteString("[" + strconv.FormatInt(n, 10) + "]")
	}
	b.WriteString("struct{")
	for i := range l.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(l.Fields[i].Name + " " + l.Fields[i].Layout.GoType())
	}
	return b.String() + "}"
}

// CutContainer takes the description of a container apart: the format or name of its keys, which is
// "" when it has none, and that of its values.
func CutContainer(format string) (key, value string) { return cutContainer(format) }
