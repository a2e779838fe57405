//go:build linux

package shm_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// A maker is a kind of object, as far as constructors go.
type maker struct {
	kind string
	new  func(*shm.Segment, string) (handle, error)
	open func(*shm.Segment, string) (handle, error)
	zero func() handle
}

func makerOf[H handle](kind string, zero func() H, new, open func(*shm.Segment, string) (H, error)) maker {
	return maker{kind,
		func(s *shm.Segment, name string) (handle, error) { return new(s, name) },
		func(s *shm.Segment, name string) (handle, error) { return open(s, name) },
		func() handle { return zero() }}
}

func initial[T any, H handle](n T, new func(*shm.Segment, string, T) (H, error)) func(*shm.Segment, string) (H, error) {
	return func(s *shm.Segment, name string) (H, error) { return new(s, name, n) }
}

func fresh[H any]() *H { return new(H) }

var makers = []maker{
	makerOf("Value", fresh[shm.Value[int64]], initial[int64](1, shm.NewValue), shm.OpenValue[int64]),
	makerOf("RawValue", fresh[shm.RawValue[int64]], initial[int64](1, shm.NewRawValue), shm.OpenRawValue[int64]),
	makerOf("Array", fresh[shm.Array[int64]], initial(4, shm.NewArray[int64]), shm.OpenArray[int64]),
	makerOf("RawArray", fresh[shm.RawArray[int64]], initial(4, shm.NewRawArray[int64]), shm.OpenRawArray[int64]),
	makerOf("Int32", fresh[shm.Int32], initial(1, shm.NewInt32), shm.OpenInt32),
	makerOf("Int64", fresh[shm.Int64], initial(1, shm.NewInt64), shm.OpenInt64),
	makerOf("Uint32", fresh[shm.Uint32], initial(1, shm.NewUint32), shm.OpenUint32),
	makerOf("Uint64", fresh[shm.Uint64], initial(1, shm.NewUint64), shm.OpenUint64),
	makerOf("Float64", fresh[shm.Float64], initial(1, shm.NewFloat64), shm.OpenFloat64),
	makerOf("Bool", fresh[shm.Bool], initial(true, shm.NewBool), shm.OpenBool),
	makerOf("Counter", fresh[shm.Counter], shm.NewCounter, shm.OpenCounter),
}

// A32: what is missing is made by New and missed by Open; what is there is found by both, unless it
// is something else.
func TestFindOrCreateMatrix(t *testing.T) {
	seg := newSegment(t, small)
	for _, m := range makers {
		if _, err := m.open(seg, m.kind); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), m.kind) {
			t.Errorf("open a missing %s: %v", m.kind, err)
		}
		for _, construct := range []func(*shm.Segment, string) (handle, error){m.new, m.new, m.open} {
			if h, err := construct(seg, m.kind); err != nil || h.Name() != m.kind {
				t.Errorf("%s: %v", m.kind, err)
			}
		}
	}
	for _, is := range makers {
		for _, want := range makers {
			if is.kind == want.kind {
				continue
			}
			_, err := want.new(seg, is.kind)
			wantMismatch(t, err, is.kind)
			_, err = want.open(seg, is.kind)
			wantMismatch(t, err, is.kind)
			b := need(need(is.open(seg, is.kind)).MarshalBinary())
			wantMismatch(t, want.zero().UnmarshalBinary(b), is.kind)
		}
	}
	for _, m := range makers {
		wantOK(t, seg.RemoveObject(m.kind))
		if _, err := m.open(seg, m.kind); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open a removed %s: %v", m.kind, err)
		}
	}
}

// wantMismatch wants an error that says what differs, and of which object.
func wantMismatch(t testing.TB, err error, parts ...string) {
	t.Helper()
	var m *shm.MismatchError
	if !errors.As(err, &m) || !errors.Is(err, shm.ErrMismatch) || m.Difference == "" || m.Name == "" {
		t.Errorf("got %v, want a MismatchError", err)
		return
	}
	for _, part := range append(parts, m.Segment, m.Name, m.Difference) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: does not mention %q", err, part)
		}
	}
}

type (
	point  struct{ X, Y int32 }
	point2 struct {
		X int32
		Y float32
	}
	point3 struct{ X, Y, Z int32 }
	line   struct{ From, To point }
	line2  struct{ From, To point2 }
)

// Another type is refused, and the first field that differs named.
func TestTypesThatDiffer(t *testing.T) {
	seg := newSegment(t, small)
	need(shm.NewValue(seg, "v", point{}))
	need(shm.NewArray[line](seg, "a", 3))
	need(shm.NewRawValue[int32](seg, "r", 1))
	differ := func(err error, parts ...string) { t.Helper(); wantMismatch(t, err, parts...) }

	_, err := shm.OpenValue[point2](seg, "v")
	differ(err, "field Y", "int32", "float32")
	_, err = shm.NewValue(seg, "v", point3{})
	differ(err, "field Z", "missing in the segment")
	_, err = shm.OpenValue[struct{ X int32 }](seg, "v")
	differ(err, "field Y", "only in the segment")
	_, err = shm.OpenValue[struct{ A, Y int32 }](seg, "v")
	differ(err, "field A", "named X in the segment")
	_, err = shm.OpenArray[line2](seg, "a")
	differ(err, "field From.Y", "int32", "float32")
	_, err = shm.NewArray[line2](seg, "a", 3)
	differ(err, "field From.Y")
	_, err = shm.OpenRawValue[uint32](seg, "r")
	differ(err, "int32 in the segment, uint32 here")
	_, err = shm.OpenRawValue[int64](seg, "r")
	differ(err, "int32 in the segment, int64 here")

	if _, err := shm.OpenValue[struct{ X, Y int32 }](seg, "v"); err != nil {
		t.Errorf("the same fields under another type name: %v", err)
	}
}
