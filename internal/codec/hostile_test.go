package codec

import (
	"bytes"
	"math"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// What other programs write as RFC 8949 has it is read, here by a library that writes it.
func TestReadsOthersCBOR(t *testing.T) {
	when := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct{ sent, want any }{
		{map[string]any{"Name": "a", "Unknown": []any{1, map[int]int{2: 3}}, "Next": map[string]any{"Name": "b"}}, recursive{Name: "a", Next: &recursive{Name: "b"}}},
		{map[string]any{"a": 1, "b": uint64(math.MaxUint64), "c": []any{-1, nil, 1.5}}, map[string]any{"a": int64(1), "b": uint64(math.MaxUint64), "c": []any{int64(-1), nil, 1.5}}},
		{map[int]string{1: "a"}, any(map[any]any{int64(1): "a"})},
		{7, 7.0}, {float32(0.5), 0.5}, {[]any{1, 2}, []int8{1, 2}}, {nil, (*point)(nil)}, {nil, 0},
		{cbor.Tag{Number: 0, Content: "2024-01-02T03:04:05Z"}, when}, {cbor.Tag{Number: 1, Content: when.Unix()}, when},
		{cbor.Tag{Number: 1, Content: when.Unix()}, &when}, {cbor.Tag{Number: 55799, Content: "self described"}, "self described"},
	} {
		b, err := cbor.Marshal(c.sent)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(c.want))
		if err := decodeValue(b, got.Elem()); err != nil || !reflect.DeepEqual(got.Elem().Interface(), c.want) {
			t.Errorf("%v: %#v, %v, want %#v", c.sent, got.Elem(), err, c.want)
		}
	}
	for f := range math.MaxUint16 + 1 { // all floats of 16 bits
		var want, got float64
		b := []byte{0xf9, byte(f >> 8), byte(f)}
		if err := cbor.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if err := Decode(b, &got); err != nil || got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%x: %v, %v, want %v", f, got, err, want)
		}
	}
}

// Bytes that say that much follows cost no more memory than their length allows.
func TestFewBytesCostLittle(t *testing.T) {
	type wide struct{ A, B, C [1 << 10]int64 }
	many := []byte{0x9a, 0, 0x0f, 0xff, 0xff} // 1,048,575 elements
	empty := bytes.Repeat([]byte{0xa0}, 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, v := range []any{new([]wide), new([]*wide), new([]map[string]wide), new([]any), new([][]wide)} {
		decodeValue(append(many, empty...), reflect.ValueOf(v).Elem())
		if err := decodeValue(many, reflect.ValueOf(v).Elem()); err == nil {
			t.Errorf("%T is read from a head", v)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 2000 {
		t.Errorf("%d MiB are allocated for 5 messages of 1 MiB", grown)
	}
}

// targets are types of each form.
func targets() []any {
	return []any{
		new(any), new(recursive), new([]int16), new(map[any]any), new(*time.Time), new(event), new(embedded), new([4]byte), new([2]*[]string),
		new(complex64), new(lossless), new(map[point][]byte),
	}
}

// Any bytes give a value or an error, in time and memory that their length bounds. A value that was
// read is written and read again as the same.
func FuzzDecode(f *testing.F) {
	for _, sample := range samples(f) {
		if b, err := appendValue(nil, reflect.ValueOf(&sample).Elem()); err == nil {
			f.Add(b)
		}
		if b, err := appendValue(nil, reflect.ValueOf(sample)); err == nil {
			f.Add(b)
		}
	}
	f.Add(bytes.Repeat([]byte{0x81}, 100000))
	f.Add(bytes.Repeat([]byte{0xc6}, 100000))
	f.Add([]byte{0xd8, 27, 0x82, 0x67, '[', ']', '[', ']', 'i', 'n', 't', 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, to := range targets() {
			v := reflect.ValueOf(to).Elem()
			if decodeValue(b, v) != nil {
				continue
			}
			got, err := travel(t, v)
			if err == nil && !same(v, got) {
				t.Errorf("%x: %#v comes back as %#v", b, v, got)
			}
		}
	})
}
