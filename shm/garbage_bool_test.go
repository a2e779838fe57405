//go:build linux

package shm_test

import (
	"bytes"
	"context"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A flagged has bools at the offsets of its flags.
type flagged struct {
	On   bool
	Mark [7]byte
	In   [2]struct {
		B    [2]bool
		Tail [6]byte
	}
}

var flags = []int{0, 8, 9, 16, 17}

var marked = flagged{Mark: [7]byte([]byte("hostile"))}

// noBools overwrites the bools of each flagged in an object with bytes that are none.
func noBools(t *testing.T, seg *shm.Segment, name string, kind segment.Kind) {
	t.Helper()
	typ := need(elem.Of[flagged]()).Format
	o := need(segment.Of(seg).Open(segment.Spec{Name: name, Kind: kind, Type: typ, Size: segment.AnySize}))
	for mem := o.Payload; ; mem = mem[24:] {
		i := bytes.Index(mem, marked.Mark[:])
		if i < 0 {
			break
		}
		mem = mem[i-1:]
		for _, at := range flags {
			mem[at] = 0xfe + byte(at%2)
		}
	}
}

// wantBools fails the test unless all bools are, and are true.
func wantBools(t *testing.T, what string, v flagged) {
	t.Helper()
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))
	for _, at := range flags {
		if mem[at] != 1 {
			t.Errorf("%s: the byte of a bool is %#x", what, mem[at])
		}
	}
	if v.Mark != marked.Mark {
		t.Errorf("%s: another byte has changed: %v", what, v)
	}
}

func TestBytesThatAreNoBools(t *testing.T) {
	ctx := context.Background()
	seg := newSegment(t, shm.Options{})
	scribble := func(name string, kind segment.Kind) func() { return func() { noBools(t, seg, name, kind) } }

	v := need(shm.NewValue(seg, "value", marked))
	again := scribble("value", segment.KindValue)
	again()
	wantBools(t, "Value.Load", need(v.Load()))
	must(v.Update(ctx, func(f *flagged) error { wantBools(t, "Value.Update", *f); return nil }))

	r := need(shm.NewRawValue(seg, "raw value", marked))
	again = scribble("raw value", segment.KindRawValue)
	again()
	wantBools(t, "RawValue.Load", r.Load())
	wantBools(t, "RawValue.Pointer", *r.Pointer())

	a := need(shm.NewArray[flagged](seg, "array", 3))
	fill := func(e []flagged) error {
		for i := range e {
			e[i] = marked
		}
		return nil
	}
	must(a.Update(ctx, fill))
	again = scribble("array", segment.KindArray)
	again()
	wantBools(t, "Array.At", need(a.At(ctx, 1)))
	for _, e := range a.All() {
		wantBools(t, "Array.All", e)
	}
	wantAll := func(what string) func(e []flagged) error {
		return func(e []flagged) error {
			for _, f := range e {
				wantBools(t, what, f)
			}
			return nil
		}
	}
	must(a.Read(ctx, wantAll("Array.Read")))
	again()
	must(a.UpdateRange(ctx, 1, 3, wantAll("Array.UpdateRange")))
	again()
	must(wantAll("Array.Slice")(a.Slice()))

	ra := need(shm.NewRawArray[flagged](seg, "raw array", 3))
	must(fill(ra.Slice()))
	again = scribble("raw array", segment.KindRawArray)
	again()
	wantBools(t, "RawArray.At", ra.At(2))
	for _, e := range ra.All() {
		wantBools(t, "RawArray.All", e)
	}
	must(wantAll("RawArray.Slice")(ra.Slice()))
}
