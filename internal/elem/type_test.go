package elem

import (
	"errors"
	"fmt"
	"reflect"
	"structs"
	"sync"
	"sync/atomic"
	"testing"
)

type point struct {
	X int32
	Y float64
	N [16]byte
}

type inner struct {
	B int32
	C int16
}

type nested struct {
	A     int8
	Inner [2]inner
	M     [2][3]int16
	F     bool
}

type padded struct {
	_ structs.HostLayout
	a int8
	_ [56]byte
	b int64
	_ [7]byte
}

type celsius float32

type pair[T any] struct{ First, Second T }

type eight[T any] struct{ A, B pair[pair[T]] }

// little swaps the order codes of a format string on a big-endian machine.
func little(format string) string {
	if !bigEndian {
		return format
	}
	b := []byte(format)
	for i := range b {
		if b[i] == '<' {
			b[i] = '>'
		}
	}
	return string(b)
}

func TestFormat(t *testing.T) {
	if wordBytes < 8 {
		t.Skip("the offsets below are those of a 64-bit machine")
	}
	for _, c := range []struct {
		typ    reflect.Type
		format string
		size   int
		words  bool
	}{
		{reflect.TypeFor[bool](), "<?", 1, true},
		{reflect.TypeFor[int8](), "<b", 1, true},
		{reflect.TypeFor[uint8](), "<B", 1, true},
		{reflect.TypeFor[int16](), "<h", 2, true},
		{reflect.TypeFor[uint16](), "<H", 2, true},
		{reflect.TypeFor[int32](), "<i", 4, true},
		{reflect.TypeFor[uint32](), "<I", 4, true},
		{reflect.TypeFor[int64](), "<q", 8, true},
		{reflect.TypeFor[uint64](), "<Q", 8, true},
		{reflect.TypeFor[float32](), "<f", 4, true},
		{reflect.TypeFor[float64](), "<d", 8, true},
		{reflect.TypeFor[complex64](), "<Zf", 8, false},
		{reflect.TypeFor[complex128](), "<Zd", 16, false},
		{reflect.TypeFor[celsius](), "<f", 4, true},
		{reflect.TypeFor[[4]byte](), "(4)<B", 4, false},
		{reflect.TypeFor[[2][3]int16](), "(2,3)<h", 12, false},
		{reflect.TypeFor[[1]int64](), "(1)<q", 8, false},
		{reflect.TypeFor[point](), "T{<i:X:xxxx<d:Y:(16)<B:N:}", 32, false},
		{reflect.TypeFor[[2]point](), "(2)T{<i:X:xxxx<d:Y:(16)<B:N:}", 64, false},
		{reflect.TypeFor[nested](), "T{<b:A:xxx(2)T{<i:B:<h:C:xx}:Inner:(2,3)<h:M:<?:F:xxx}", 36, false},
		{reflect.TypeFor[padded](), "T{<b:a:63x<q:b:xxxxxxxx}", 80, false},
		{reflect.TypeFor[struct{ V int64 }](), "T{<q:V:}", 8, false},
		{reflect.TypeFor[struct{ _ [64]byte }](), "T{64x}", 64, false},
		{reflect.TypeFor[struct{ Größe uint16 }](), "T{<H:Größe:}", 2, false},
		{reflect.TypeFor[struct{ point }](), "T{T{<i:X:xxxx<d:Y:(16)<B:N:}:point:}", 32, false},
		{reflect.TypeFor[pair[uint8]](), "T{<B:First:<B:Second:}", 2, false},
		{reflect.TypeFor[atomic.Int32](), "T{<i:v:}", 4, false},
		{reflect.TypeFor[struct {
			_ [0]func() // forbids ==, and has the alignment of a pointer
			V int32
		}](), "T{<i:V:xxxx}", 8, false},
	} {
		got, err := OfType(c.typ)
		if err != nil {
			t.Errorf("%v: %v", c.typ, err)
			continue
		}
		want := Type{Format: little(c.format), Size: int(c.typ.Size()), Align: c.typ.Align(), Words: c.words}
		plain := *got
		plain.Bools = nil // has tests of its own
		if plain != want {
			t.Errorf("%v:\n got %+v\nwant %+v", c.typ, plain, want)
		}
		if got.Size != c.size {
			t.Errorf("%v: size %d, want %d", c.typ, got.Size, c.size)
		}
	}
}

func TestOfIsCached(t *testing.T) {
	first, err := Of[point]()
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(100, func() {
		if again, err := Of[point](); again != first || err != nil {
			t.Fatalf("got %p, %v, want %p", again, err, first)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a lookup, want none", allocs)
	}
	_, err1 := Of[string]()
	_, err2 := Of[string]()
	if err1 == nil || err1 != err2 {
		t.Errorf("refusals %v and %v are not the same", err1, err2)
	}
}

func TestOfByManyGoroutines(t *testing.T) {
	type fresh struct{ A, B int32 }
	var wg sync.WaitGroup
	got := make([]*Type, 16)
	for i := range got {
		wg.Go(func() { got[i], _ = Of[fresh]() })
	}
	wg.Wait()
	for _, g := range got {
		if g == nil || g != got[0] {
			t.Fatalf("goroutines got different types: %v", got)
		}
	}
}

// A format must be accepted by Parse, or a program could not open what it has created.
func TestLimitsOfFormat(t *testing.T) {
	fields := func(n int) reflect.Type {
		f := make([]reflect.StructField, n)
		for i := range f {
			f[i] = reflect.StructField{Name: fmt.Sprintf("F%05d", i), Type: reflect.TypeFor[int8]()}
		}
		return reflect.StructOf(f)
	}
	// Each field takes 10 bytes: <b:F00000:
	largest := (MaxFormat - len("T{}")) / 10
	typ, err := OfType(fields(largest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(typ.Format); err != nil {
		t.Error(err)
	}
	wantRefusal(t, fields(largest+1), "struct", tooManyFields)

	deep := reflect.TypeFor[int8]()
	for range MaxDepth {
		deep = reflect.StructOf([]reflect.StructField{{Name: "S", Type: deep}})
	}
	if typ, err = OfType(deep); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(typ.Format); err != nil {
		t.Error(err)
	}

	// 2^16 numbers in a type that is quick to write down.
	type wide = eight[eight[eight[eight[pair[pair[pair[pair[uint8]]]]]]]]
	var refused *UnsupportedTypeError
	if _, err := Of[wide](); !errors.As(err, &refused) || refused.Reason != tooManyFields {
		t.Errorf("a struct of 2^16 numbers: %v", err)
	}
}

func BenchmarkOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Of[point](); err != nil {
			b.Fatal(err)
		}
	}
}
