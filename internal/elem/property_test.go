package elem

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

var scalars = []reflect.Type{
	reflect.TypeFor[bool](),
	reflect.TypeFor[int8](), reflect.TypeFor[uint8](),
	reflect.TypeFor[int16](), reflect.TypeFor[uint16](),
	reflect.TypeFor[int32](), reflect.TypeFor[uint32](),
	reflect.TypeFor[int64](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](),
	reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
}

// elementType draws any type that can be an element, of few bytes, with up to depth structs within
// structs.
func elementType(depth int) *rapid.Generator[reflect.Type] {
	return rapid.Custom(func(t *rapid.T) reflect.Type {
		typ := rapid.SampledFrom(scalars).Draw(t, "scalar")
		if depth > 0 && rapid.Bool().Draw(t, "isStruct") {
			typ = structType(depth-1).Draw(t, "struct")
		}
		for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "dims") {
			typ = reflect.ArrayOf(rapid.IntRange(1, 4).Draw(t, "len"), typ)
		}
		return typ
	})
}

func structType(depth int) *rapid.Generator[reflect.Type] {
	return rapid.Custom(func(t *rapid.T) reflect.Type {
		fields := make([]reflect.StructField, rapid.IntRange(1, 5).Draw(t, "fields"))
		for i := range fields {
			fields[i] = reflect.StructField{
				Name: fmt.Sprintf("F%d", i),
				Type: elementType(depth).Draw(t, "field"),
			}
			// StructOf wants a package for unexported fields, and none for exported ones.
			if i > 0 && rapid.IntRange(0, 3).Draw(t, "isBlank") == 0 {
				fields[i].Name, fields[i].PkgPath = "_", "elem"
			}
		}
		return reflect.StructOf(fields)
	})
}

// checkAgainstReflect compares the place of every field of t in the format string with its place in
// Go.
func checkAgainstReflect(t *rapid.T, l *Layout, typ reflect.Type) {
	if l.Size != int64(typ.Size()) {
		t.Fatalf("%v: size %d, want %d", typ, l.Size, typ.Size())
	}
	for _, n := range l.Dims {
		if int64(typ.Len()) != n {
			t.Fatalf("%v: length %d", typ, n)
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		if numbers[l.Code].goName != typ.Kind().String() || l.BigEndian != bigEndian {
			t.Fatalf("%v: read as %+v", typ, l)
		}
		return
	}
	i := 0
	for f := range typ.Fields() {
		if f.Name == "_" {
			continue
		}
		got := &l.Fields[i]
		if got.Name != f.Name || got.Offset != int64(f.Offset) {
			t.Fatalf("%v: field %s at %d, want %s at %d", typ, got.Name, got.Offset, f.Name, f.Offset)
		}
		checkAgainstReflect(t, &got.Layout, f.Type)
		i++
	}
	if i != len(l.Fields) {
		t.Fatalf("%v: %d fields, want %d", typ, len(l.Fields), i)
	}
}

func TestFormatReadsBackAsReflectSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := elementType(3).Draw(t, "type")
		e, err := OfType(typ)
		if err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		l, err := Parse(e.Format)
		if err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		checkAgainstReflect(t, l, typ)
		if d := Diff(e.Format, e.Format); d != "" {
			t.Fatalf("%q differs from itself: %s", e.Format, d)
		}
	})
}

// Diff finds every single change of a type, and no other difference.
func TestDiffFindsOneChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := structType(2).Draw(t, "type")
		fields := reflect.VisibleFields(typ)
		i := rapid.IntRange(0, len(fields)-1).Draw(t, "index")
		fields[i].Type = elementType(2).Draw(t, "newType")
		changed := reflect.StructOf(fields)

		a, err := OfType(typ)
		if err != nil {
			t.Fatal(err)
		}
		b, err := OfType(changed)
		if err != nil {
			t.Fatal(err)
		}
		if d := Diff(a.Format, b.Format); (d == "") != (a.Format == b.Format) {
			t.Fatalf("Diff(%q, %q) is %q", a.Format, b.Format, d)
		}
	})
}
