package codec

import (
	"bytes"
	"reflect"
	"testing"
)

type tree struct {
	Name     string
	Children []tree
	Weights  map[string]float64
}

func TestRoundTrip(t *testing.T) {
	in := tree{"a\xff", []tree{{Name: "b"}, {Name: "c", Weights: map[string]float64{"x": 1.5}}}, nil}
	var b bytes.Buffer
	b.WriteString("before")
	if err := Append(&b, in); err != nil {
		t.Fatal(err)
	}
	var out tree
	if err := Decode(b.Bytes()[len("before"):], &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%+v, %v, want %+v", out, err, in)
	}
}

// What cannot be encoded leaves nothing behind; what cannot be decoded says so.
func TestErrors(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("before")
	if err := Append(&b, struct{ F func() }{func() {}}); err == nil || b.String() != "before" {
		t.Errorf("%v, %q", err, b.String())
	}
	for _, bad := range [][]byte{nil, {0xff}, {0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0x81}, 1000)} {
		if err := Decode(bad, new(tree)); err == nil {
			t.Errorf("%x is decoded", bad[:min(len(bad), 10)])
		}
	}
	if Check[chan int]() == nil || Check[func()]() == nil || Check[tree]() != nil {
		t.Error("Check")
	}
}
