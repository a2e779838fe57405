//go:build linux

package shm_test

import (
	"errors"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

type person struct {
	Age  int32
	Name string
}

type family struct {
	Members [2]struct{ Who person }
}

// refuses checks that T is refused everywhere, with the path of the field and a reason.
func refuses[T any](t *testing.T, seg *shm.Segment, mentions ...string) {
	t.Helper()
	var zero T
	var err error
	for _, construct := range []func(){
		func() { _, err = shm.NewValue(seg, "x", zero) },
		func() { _, err = shm.OpenValue[T](seg, "x") },
		func() { err = new(shm.Value[T]).UnmarshalBinary(nil) },
		func() { _, err = shm.NewRawValue(seg, "x", zero) },
		func() { _, err = shm.OpenRawValue[T](seg, "x") },
		func() { err = new(shm.RawValue[T]).UnmarshalBinary(nil) },
		func() { _, err = shm.NewArray[T](seg, "x", 1) },
		func() { _, err = shm.OpenArray[T](seg, "x") },
		func() { err = new(shm.Array[T]).UnmarshalBinary(nil) },
		func() { _, err = shm.NewRawArray[T](seg, "x", 1) },
		func() { _, err = shm.OpenRawArray[T](seg, "x") },
		func() { err = new(shm.RawArray[T]).UnmarshalBinary(nil) },
	} {
		construct()
		var u *shm.UnsupportedTypeError
		if !errors.As(err, &u) || u.Path != mentions[0] || u.Reason == "" {
			t.Errorf("%T: %v, want an UnsupportedTypeError of %q", zero, err, mentions[0])
		} else {
			wantErr(t, err, u, mentions...)
		}
	}
}

func TestTypesThatCannotBeShared(t *testing.T) {
	seg := newSegment(t, small)
	refuses[int](t, seg, "int", "int64")
	refuses[uint](t, seg, "uint", "uint64")
	refuses[uintptr](t, seg, "uintptr", "address")
	refuses[*int32](t, seg, "ptr", "*int32", "address")
	refuses[string](t, seg, "string", "byte array")
	refuses[[]byte](t, seg, "slice", "[]uint8", "array")
	refuses[struct{}](t, seg, "struct", "struct {}", "no bytes")
	refuses[[0]int32](t, seg, "array", "[0]int32", "no bytes")
	refuses[person](t, seg, "person.Name", "string has no fixed size")
	refuses[family](t, seg, "family.Members[].Who.Name", "string has no fixed size")
	refuses[error](t, seg, "error", "fixed-size")
	refuses[func()](t, seg, "func", "func()", "code")
}
