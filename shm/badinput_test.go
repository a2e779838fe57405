//go:build linux

package shm_test

import (
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// wantErr wants an error of some kind, with a text that mentions what a person must know.
func wantErr(t testing.TB, err, is error, mentions ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("got %v, want %v", err, is)
		return
	}
	text := err.Error()
	for _, m := range mentions {
		if !strings.Contains(text, m) {
			t.Errorf("%s: does not mention %q", text, m)
		}
	}
	if !strings.HasPrefix(text, "shm: ") || strings.Count(text, "shm: ") != 1 {
		t.Errorf("%s: does not name its package once", text)
	}
}

func TestBadSegmentNames(t *testing.T) {
	t.Setenv("SHMKIT_DIR", proctest.CleanDir(t))
	long := strings.Repeat("x", 256)
	for _, c := range []struct{ name, mention string }{
		{"", "empty"},
		{"a\x00b", `"a\x00b"`},
		{"/dev/shm/\x00", `\x00`},
		{long, "256 bytes"},
		{"/dev/shm/" + long, "255 bytes"},
		{".", `"."`},
		{"..", `".."`},
	} {
		_, err := shm.Create(c.name, small)
		wantErr(t, err, fs.ErrInvalid, c.mention)
		_, err = shm.Open(c.name)
		wantErr(t, err, fs.ErrInvalid, c.mention)
		_, err = shm.OpenOrCreate(c.name, small)
		wantErr(t, err, fs.ErrInvalid, c.mention)
		wantErr(t, shm.Remove(c.name), fs.ErrInvalid, c.mention)
	}
}

func TestBadOptions(t *testing.T) {
	dir := proctest.CleanDir(t)
	for _, c := range []struct {
		shm.Options
		mention string
	}{
		{shm.Options{Size: -1}, "-1 bytes"},
		{shm.Options{Size: 1}, "at least"},
		{shm.Options{Size: math.MaxInt64}, strconv.Itoa(math.MaxInt64)},
		{shm.Options{Objects: -1}, "-1 objects"},
		{shm.Options{Objects: math.MaxInt}, "objects"},
		{shm.Options{Processes: -1}, "-1 processes"},
		{shm.Options{Processes: 1025}, "1025 processes: must be from 1 to 1024"},
	} {
		path := filepath.Join(dir, "s")
		_, err := shm.Create(path, c.Options)
		wantErr(t, err, fs.ErrInvalid, c.mention, path)
		_, err = shm.OpenOrCreate(path, c.Options)
		wantErr(t, err, fs.ErrInvalid, c.mention, path)
		_, err = shm.Anonymous(c.Options)
		wantErr(t, err, fs.ErrInvalid, c.mention)
	}
}

func TestBadObjectNames(t *testing.T) {
	seg := newSegment(t, small)
	for _, c := range []struct{ name, mention string }{
		{"", "empty"}, {"a\x00", `"a\x00"`}, {"a/b", `"a/b"`}, {strings.Repeat("y", 300), "300 bytes"},
	} {
		for _, m := range makers {
			if c.name != "" { // without a name an object is made
				_, err := m.new(seg, c.name)
				wantErr(t, err, fs.ErrInvalid, c.mention, seg.Path())
			}
			_, err := m.open(seg, c.name)
			wantErr(t, err, fs.ErrInvalid, c.mention, seg.Path())
		}
		wantErr(t, seg.RemoveObject(c.name), fs.ErrInvalid, c.mention, seg.Path())
	}
	wantErr(t, seg.RemoveObject("none"), fs.ErrNotExist, `"none"`, seg.Path())
}

func TestBadLengths(t *testing.T) {
	seg := newSegment(t, small)
	for _, n := range []int{-1, math.MinInt, math.MaxInt, 1 << 44, math.MaxInt/8 + 1, math.MaxInt / 2} {
		_, err := shm.NewArray[int64](seg, "an array", n)
		wantErr(t, err, fs.ErrInvalid, strconv.Itoa(n), `"an array"`)
		_, err = shm.NewRawArray[[3]int64](seg, "an array", n)
		wantErr(t, err, fs.ErrInvalid, strconv.Itoa(n), `"an array"`)
	}
}
