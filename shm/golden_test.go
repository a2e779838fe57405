//go:build linux

package shm_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A golden segment is a file that an earlier build has left, in testdata/golden, with objects of
// every kind. Its name is vFORMAT-NUMBER.seg.gz. A build reads those of its own format, but for
// objects of kinds that have another layout since, and refuses the others by their version.
//
// SHMKIT_GOLDEN=NUMBER writes the file of this build: after a change of the format, or of the
// layout of a kind. Files that are there stay as they are.

const goldenDir = "testdata/golden"

func TestGoldenSegments(t *testing.T) {
	mine := writeGolden(t)
	if number := os.Getenv("SHMKIT_GOLDEN"); number != "" {
		saveGolden(t, mine, number)
	}
	files, err := os.ReadDir(goldenDir)
	wantOK(t, err)
	version := formatOf(mine)
	newest := "" // of this format
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			data := loadGolden(t, f.Name())
			path := writeFile(t, data)
			if v := formatOf(data); v != version {
				_, err := shm.Open(path)
				wantErr(t, err, shm.ErrFormat, path, fmt.Sprintf("version %d", v), fmt.Sprintf("version %d", version))
				return
			}
			newest = f.Name()
			readGolden(t, path, nil)
		})
	}
	if newest == "" {
		t.Fatalf("there is no golden segment of format %d: write it with SHMKIT_GOLDEN=1", version)
	}
	// The newest is what this build writes: nothing in it is refused, and no layout differs.
	refused := readGolden(t, writeFile(t, loadGolden(t, newest)), nil)
	if len(refused) > 0 {
		t.Errorf("%s: %q are refused: write another golden segment", newest, refused)
	}
}

// An object with a layout of another version is refused by its kind. All others stay usable.
func TestOtherLayoutIsRefusedByKind(t *testing.T) {
	data := writeGolden(t)
	for i, g := range goldens {
		changed := slices.Clone(data)
		entry := entryOf(t, changed, g.name)
		binary.LittleEndian.PutUint32(changed[entry+52:], 77)
		path := writeFile(t, changed)
		if refused := readGolden(t, path, func(name string, err error) {
			if name != g.name {
				return
			}
			if says := fmt.Sprintf("%s: object %q: its kind", path, name); !errors.Is(err, shm.ErrFormat) ||
				!strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "layout 77 there") {
				t.Errorf("%s has another layout: %v", name, err)
			}
		}); len(refused) != 1 || refused[0] != g.name {
			t.Errorf("%s has another layout: %q are refused", g.name, refused)
		}
		if i > 0 {
			continue
		}
		seg := need(shm.Open(path)) // what is refused can be removed, and made anew
		wantOK(t, seg.RemoveObject(g.name))
		wantOK(t, g.write(seg))
		wantOK(t, g.read(seg))
		wantOK(t, seg.Check())
		wantOK(t, seg.Close())
	}
}

// Bytes that have no meaning are zeros in what this build writes, so that a later one can give them
// a meaning, for which 0 is what holds today.
func TestSpareBytesAreZero(t *testing.T) {
	data := writeGolden(t)
	zero := func(what string, from, to int) {
		t.Helper()
		if i := slices.IndexFunc(data[from:to], func(b byte) bool { return b != 0 }); i >= 0 {
			t.Errorf("%s: byte %d is %#x", what, from+i, data[from+i])
		}
	}
	zero("header", 96, 128)
	zero("header", 144, 192)
	zero("header", 208, 256)
	zero("header", 312, 320)
	zero("header", 360, 384)
	zero("header", 896, 4096)
	for _, g := range goldens {
		entry := entryOf(t, data, g.name)
		zero("the entry of "+g.name, entry+56, entry+64)
		payload := int(binary.LittleEndian.Uint64(data[entry+24:])) + int(binary.LittleEndian.Uint32(data[entry+44:]))
		for _, spare := range g.spare {
			zero(g.name, payload+spare[0], payload+spare[1])
		}
	}
}

// writeGolden is the file of a segment with all golden objects, which no process has attached.
func writeGolden(t testing.TB) []byte {
	t.Helper()
	path := newPath(t)
	seg := need(shm.Create(path, shm.Options{Size: 512 << 10, Objects: 64, Processes: 16}))
	for _, g := range goldens {
		if err := g.write(seg); err != nil {
			t.Fatalf("write %s: %v", g.name, err)
		}
	}
	wantOK(t, seg.Check())
	wantOK(t, seg.Close())
	return need(os.ReadFile(path))
}

// readGolden reads all objects of a golden segment, and works with them. It returns the names of
// those that are refused because of their layout, or that are not in it; look, if it is not nil,
// gets every error.
func readGolden(t testing.TB, path string, look func(name string, err error)) (refused []string) {
	t.Helper()
	seg := need(shm.Open(path))
	wantOK(t, seg.Check())
	for _, g := range goldens {
		err := g.read(seg)
		if look != nil {
			look(g.name, err)
		}
		switch {
		case errors.Is(err, shm.ErrFormat) && strings.Contains(err.Error(), "knows layout"):
			refused = append(refused, g.name)
		case errors.Is(err, fs.ErrNotExist): // it has been made golden since
			refused = append(refused, g.name)
		case err != nil:
			t.Errorf("%s: read %s: %v", path, g.name, err)
		}
	}
	wantOK(t, seg.Check())
	wantOK(t, seg.Close())
	return refused
}

func formatOf(file []byte) uint32 { return binary.LittleEndian.Uint32(file[8:]) }

// entryOf is where the entry of a named object lies in the file of a segment.
func entryOf(t testing.TB, file []byte, name string) int {
	t.Helper()
	at := int(binary.LittleEndian.Uint64(file[72:]))
	step := int(binary.LittleEndian.Uint32(file[88:]))
	for range binary.LittleEndian.Uint32(file[272:]) {
		text := int(binary.LittleEndian.Uint64(file[at+24:])) + 32
		if n := int(binary.LittleEndian.Uint32(file[at+20:])); file[at]&3 == 1 && string(file[text:text+n]) == name {
			return at
		}
		at += step
	}
	t.Fatalf("there is no object %q", name)
	return 0
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := newPath(t)
	wantOK(t, os.WriteFile(path, data, 0o600))
	return path
}

func loadGolden(t testing.TB, name string) []byte {
	t.Helper()
	f := need(os.Open(filepath.Join(goldenDir, name)))
	defer f.Close()
	return need(io.ReadAll(need(gzip.NewReader(f))))
}

func saveGolden(t testing.TB, data []byte, number string) {
	t.Helper()
	var packed bytes.Buffer
	w := need(gzip.NewWriterLevel(&packed, gzip.BestCompression))
	need(w.Write(data))
	wantOK(t, w.Close())
	path := filepath.Join(goldenDir, fmt.Sprintf("v%d-%s.seg.gz", formatOf(data), number))
	f := need(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644))
	need(f.Write(packed.Bytes()))
	wantOK(t, f.Close())
}

// Every kind that can outlive its processes is in the golden segments.
func TestGoldenHasEveryKind(t *testing.T) {
	kinds := map[string]bool{}
	seg := need(shm.Open(writeFile(t, writeGolden(t))))
	for _, kind := range seg.Objects() {
		kinds[kind] = true
	}
	wantOK(t, seg.Close())
	for k := segment.Kind(1); k.Layout() != 0; k++ {
		if !kinds[k.String()] && !slices.Contains(notGolden, k) {
			t.Errorf("no golden object is a %v", k)
		}
	}
}
