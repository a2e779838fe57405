//go:build linux

package shm_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// wantNoSpace wants an error that says what was needed and what is free.
func wantNoSpace(t *testing.T, err error, path string, need, most int64, mentions ...string) {
	t.Helper()
	var n *shm.NoSpaceError
	if !errors.As(err, &n) {
		t.Errorf("got %v, want a NoSpaceError", err)
		return
	}
	if n.Need < need || n.Free < 0 || n.Free > most || n.Path != path {
		t.Errorf("%+v, want at least %d needed, at most %d free, of %s", n, need, most, path)
	}
	wantErr(t, err, n, append(mentions, path, fmt.Sprint(n.Need), fmt.Sprint(n.Free))...)
}

func TestNoSpaceInTheSegment(t *testing.T) {
	seg := newSegment(t, small)
	_, err := shm.NewRawArray[byte](seg, "too big", 600<<10)
	wantNoSpace(t, err, seg.Path(), 600<<10, seg.Size(), `"too big"`)
	_, err = shm.NewArray[byte](seg, "too big", 300<<10) // twice that
	wantNoSpace(t, err, seg.Path(), 600<<10, seg.Size(), `"too big"`)
	for i := 0; err == nil || i == 0; i++ {
		_, err = shm.NewValue(seg, fmt.Sprint(i), [20000]byte{})
	}
	wantNoSpace(t, err, seg.Path(), 40000, 45000)
}

func TestNoSpaceInTheFileSystem(t *testing.T) {
	path := filepath.Join(smallMount(t, "1m"), "s")
	seg, err := shm.Create(path, shm.Options{Size: 64 << 20, Objects: 64, Processes: 16})
	wantOK(t, err)
	defer seg.Close()
	_, err = shm.NewRawArray[byte](seg, "too big", 4<<20)
	wantNoSpace(t, err, path, 4<<20, 1<<20, `"too big"`)
	wantOK(t, seg.Check())
	_, err = shm.NewRawArray[byte](seg, "fits", 400<<10)
	wantOK(t, err)

	_, err = shm.Create(path+"2", shm.Options{Size: 8 << 30, Processes: 1024})
	wantNoSpace(t, err, path+"2", 1<<20, 1<<20)
	if _, err := os.Lstat(path + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

func TestTooManyProcesses(t *testing.T) {
	o := small
	o.Processes = 3
	seg := newSegment(t, o)
	for range 2 {
		other := need(shm.Open(seg.Path()))
		defer other.Close()
	}
	_, err := shm.Open(seg.Path())
	wantErr(t, err, shm.ErrTooManyProcesses, seg.Path(), "3 of 3")
	_, err = shm.FromFile(seg.File())
	wantErr(t, err, shm.ErrTooManyProcesses, "3 of 3")
}

func TestTooManyObjects(t *testing.T) {
	o := small
	o.Objects = 4
	seg := newSegment(t, o)
	for i := range 4 {
		need(shm.NewBool(seg, fmt.Sprint(i), true))
	}
	_, err := shm.NewBool(seg, "fifth", true)
	wantErr(t, err, shm.ErrTooManyObjects, seg.Path(), `"fifth"`, "4")
	wantOK(t, seg.RemoveObject("2"))
	need(shm.NewBool(seg, "fifth", true))
}

func wantAs[E error](t testing.TB, err error, target *E) {
	t.Helper()
	if !errors.As(err, target) {
		t.Fatalf("got %v, want a %T", err, *target)
	}
}
