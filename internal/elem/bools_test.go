package elem

import (
	"bytes"
	"reflect"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// rightBools reports whether every bool within v is 0 or 1 in memory.
func rightBools(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool:
		return *(*byte)(v.Addr().UnsafePointer()) <= 1
	case reflect.Array:
		for i := range v.Len() {
			if !rightBools(v.Index(i)) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "_" && !rightBools(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

// bytesAt views the memory of a slice.
func bytesAt(v reflect.Value) []byte {
	return unsafe.Slice((*byte)(v.UnsafePointer()), uintptr(v.Len())*v.Type().Elem().Size())
}

// After Mend each bool is 0 or 1, from any bytes, and no other byte has changed.
func TestMendMakesBools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := reflect.ArrayOf(rapid.IntRange(1, 3).Draw(t, "n"), elementType(2).Draw(t, "type"))
		e, err := OfType(typ.Elem())
		if err != nil {
			t.Skip(err)
		}
		v := reflect.New(typ)
		mem := v.Elem().Slice(0, typ.Len())
		raw := bytesAt(mem)
		copy(raw, rapid.SliceOfN(rapid.Byte(), len(raw), len(raw)).Draw(t, "bytes"))
		before := bytes.Clone(raw)
		e.Bools.Mend(raw)
		if !rightBools(v.Elem()) {
			t.Fatalf("%v: % x became % x", typ, before, raw)
		}
		for i, b := range raw {
			if b != before[i] && (b != 1 || before[i] < 2) {
				t.Fatalf("%v: byte %d was %#x and is %#x", typ, i, before[i], b)
			}
		}
		if e.Bools == nil && !bytes.Equal(raw, before) {
			t.Fatalf("%v without bools was changed", typ)
		}
	})
}

func TestMendAllocatesNothing(t *testing.T) {
	type rec struct {
		A bool
		B [3]struct{ C [2]bool }
	}
	e, err := Of[rec]()
	if err != nil {
		t.Fatal(err)
	}
	r := make([]rec, 10)
	if n := testing.AllocsPerRun(100, func() {
		r[0] = Mended(e.Bools, r[1])
		MendAll(e.Bools, r)
		MendAt(e.Bools, &r[2])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if e, _ := Of[[4]int64](); e.Bools != nil {
		t.Error("found bools among numbers")
	}
}
