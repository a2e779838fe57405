package elem

import (
	"reflect"
	"testing"
	"unsafe"
)

// A value reads as what was written, whatever its type.
func TestValue(t *testing.T) {
	type inner struct {
		A int16
		B bool
	}
	type all struct {
		I8      int8
		U8      uint8
		U16     uint16
		I32     int32
		U32     uint32
		I64     int64
		U64     uint64
		F32     float32
		F64     float64
		C64     complex64
		C128    complex128
		_       [3]byte
		Nested  [2]inner
		Text    [6]uint8
		Numbers [2]uint8
		Square  [2][2]int8
	}
	v := all{I8: -1, U8: 2, U16: 3, I32: -4, U32: 5, I64: -6, U64: 7, F32: 0.5, F64: 0.25, C64: 1 + 2i, C128: 3 - 4i,
		Nested: [2]inner{{-8, true}, {9, false}}, Text: [6]uint8{'a', 'b'}, Numbers: [2]uint8{1, 200}, Square: [2][2]int8{{1, 2}, {3, 4}}}
	typ, err := Of[all]()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse(typ.Format)
	if err != nil {
		t.Fatal(err)
	}
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))
	got, err := l.Value(mem)
	want := Struct{
		{"I8", int64(-1)}, {"U8", uint64(2)}, {"U16", uint64(3)}, {"I32", int64(-4)}, {"U32", uint64(5)}, {"I64", int64(-6)},
		{"U64", uint64(7)}, {"F32", float32(0.5)}, {"F64", 0.25}, {"C64", 1 + 2i}, {"C128", 3 - 4i},
		{"Nested", []any{Struct{{"A", int64(-8)}, {"B", true}}, Struct{{"A", int64(9)}, {"B", false}}}},
		{"Text", "ab"}, {"Numbers", []any{uint64(1), uint64(200)}},
		{"Square", []any{[]any{int64(1), int64(2)}, []any{int64(3), int64(4)}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %v\nwant %v", err, got, want)
	}
	if _, err := l.Value(mem[:len(mem)-1]); err == nil {
		t.Error("a value without its last byte has no error")
	}
	const goType = "struct{I8 int8; U8 uint8; U16 uint16; I32 int32; U32 uint32; I64 int64; U64 uint64; F32 float32; F64 float64; " +
		"C64 complex64; C128 complex128; Nested [2]struct{A int16; B bool}; Text [6]uint8; Numbers [2]uint8; Square [2][2]int8}"
	if l.GoType() != goType {
		t.Errorf("as Go: %s", l.GoType())
	}
}
