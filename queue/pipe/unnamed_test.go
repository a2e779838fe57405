//go:build linux

package pipe

import (
	"io"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A pipe without a name: its second end is found by the handle of the first.
func TestPipeWithoutAName(t *testing.T) {
	_, err := New(nil, "a", Options{})
	wantErr(t, err, fs.ErrInvalid)
	_, err = Open(nil, "a", Options{})
	wantErr(t, err, fs.ErrInvalid)
	seg := newSegment(t, shm.Options{})
	a, err := New(seg, "", Options{})
	wantErr(t, err, nil)
	handle, err := a.MarshalBinary()
	wantErr(t, err, nil)
	var b Conn
	wantErr(t, b.UnmarshalBinary(handle), nil)
	_, err = a.Write([]byte("hello"))
	wantErr(t, err, nil)
	got := make([]byte, 5)
	if _, err := io.ReadFull(&b, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	for i, c := range []*Conn{a, &b} {
		if r, err := segment.Of(seg).Check(); err != nil || r.Unnamed != 1 {
			t.Errorf("%+v, %v before end %d is closed", r, err, i+1)
		}
		wantErr(t, c.Close(), nil)
	}
	if r, err := segment.Of(seg).Check(); err != nil || r.Unnamed != 0 {
		t.Errorf("%+v, %v after both ends were closed", r, err)
	}
}
