//go:build linux

package shm_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// TestErrorsAreFoundByTheirTypes has each error type of the package come out of a call.
func TestErrorsAreFoundByTheirTypes(t *testing.T) {
	seg := newSegment(t, small)
	_, err := shm.NewValue[int32](seg, "v", 1)
	wantOK(t, err)

	_, err = shm.NewValue[int64](seg, "v", 1)
	m, ok := errors.AsType[*shm.MismatchError](err)
	if !ok || m.Segment != seg.Path() || m.Name != "v" || m.Difference == "" || !errors.Is(m, shm.ErrMismatch) || !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("got %+v of %v", m, err)
	}
	_, err = shm.NewRawArray[int64](seg, "large", 1<<20)
	n, ok := errors.AsType[*shm.NoSpaceError](err)
	if !ok || !n.Segment || n.Path != seg.Path() || n.Need < 8<<20 || n.Free <= 0 || n.Free > seg.Size() {
		t.Errorf("got %+v of %v", n, err)
	}
	_, err = shm.NewValue(seg, "s", struct{ Name string }{})
	u, ok := errors.AsType[*shm.UnsupportedTypeError](err)
	if !ok || u.Type.String() != "string" || u.Reason == "" {
		t.Errorf("got %+v of %v", u, err)
	}
	_, err = shm.OpenValue[int32](seg, "another")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}

	other, err := shm.Open(seg.Path())
	wantOK(t, err)
	v, err := shm.OpenValue[int32](other, "v")
	wantOK(t, err)
	err = v.Update(background, func(*int32) error { return other.Close() })
	h, ok := errors.AsType[*shm.HeldError](err)
	if !ok || h.Segment != seg.Path() || len(h.Objects) != 1 || h.Objects[0] != "v" {
		t.Errorf("got %+v of %v", h, err)
	}
	if _, err := v.Load(); !errors.Is(err, os.ErrClosed) || !errors.Is(err, shm.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if s := (&shm.StillAttachedError{Segment: "s", Err: fs.ErrInvalid}); !errors.Is(s, fs.ErrInvalid) || s.Error() == "" {
		t.Errorf("got %v", s)
	}
}
