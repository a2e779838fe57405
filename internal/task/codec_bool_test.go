package task

import (
	"testing"
	"unsafe"
)

// What arrives as it is may hold any byte where a bool should be.
func TestBytesThatAreNoBools(t *testing.T) {
	isBool := func(what string, b *bool, err error) {
		t.Helper()
		if mem := *(*byte)(unsafe.Pointer(b)); mem != 1 || err != nil {
			t.Errorf("%s: the byte of a bool is %#x, %v", what, mem, err)
		}
	}
	type rec struct{ A, B bool }
	one, err := CodecFor[rec]()
	if err != nil || one.IsWire() {
		t.Fatal(err)
	}
	v, err := one.Decode([]byte{1, 0xff})
	isBool("decode", &v.B, err)
	v, err = one.Receive([]byte{0x80, 0})
	isBool("receive", &v.A, err)
	many, err := CodecFor[[]rec]()
	if err != nil || many.IsWire() {
		t.Fatal(err)
	}
	vs, err := many.Decode([]byte{1, 1, 2, 1})
	isBool("decode a slice", &vs[1].A, err)
	vs, err = many.view([]byte{1, 1, 0xfe, 1})
	isBool("view of a slice", &vs[1].A, err)
}
