//go:build linux

package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

// image is the bytes of a segment with two objects, which no process has open.
func image(t testing.TB, c Config) []byte {
	t.Helper()
	path := freshPath(t)
	s, err := Create(path, c)
	if err != nil {
		t.Fatal(err)
	}
	made(t, s, "first", 100)
	made(t, s, "second", 200)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// written is a file with these bytes.
func written(t testing.TB, b []byte) string {
	t.Helper()
	path := freshPath(t)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantError fails the test unless err is of that kind and its text has all these parts.
func wantError(t testing.TB, err, is error, parts ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("got %v, want one that is %q", err, is)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func sign(page []byte) {
	directory.HeaderIn(page).Checksum = crc32.Checksum(page[:92], crc32.MakeTable(crc32.Castagnoli))
}

// Every immutable field of the header, and the length of the file, is checked.
func TestOpenRefusesOtherFormats(t *testing.T) {
	good := image(t, small)
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		says   string
	}{
		{"empty", func(b []byte) []byte { return nil }, "not a shmkit segment (0 bytes)"},
		{"one byte", func(b []byte) []byte { return b[:1] }, "not a shmkit segment (1 bytes)"},
		{"half a header", func(b []byte) []byte { return b[:directory.HeaderBytes/2] }, "too short"},
		{"a header but for one byte", func(b []byte) []byte { return b[:directory.HeaderBytes-1] }, "too short"},
		{"only a header", func(b []byte) []byte { return b[:directory.HeaderBytes] }, "truncated: 4096 bytes of 262144"},
		{"half", func(b []byte) []byte { return b[:len(b)/2] }, "truncated"},
		{"all but one byte", func(b []byte) []byte { return b[:len(b)-1] }, "truncated"},
		{"zeros", func(b []byte) []byte { clear(b); return b }, "wrong magic"},
		{"text", func(b []byte) []byte { copy(b, "#!/bin/sh"); return b }, "wrong magic"},
		{"byte order", func(b []byte) []byte {
			directory.HeaderIn(b).Magic = bits.ReverseBytes64(directory.HeaderIn(b).Magic)
			return b
		}, "other byte order"},
		{"version", func(b []byte) []byte { directory.HeaderIn(b).Version++; return b }, "format version 5, this program knows version 4"},
		{"word size", func(b []byte) []byte { directory.HeaderIn(b).Word = 4 | directory.HeaderIn(b).Word&^0xff; return b }, "4-byte words, this one has 8"},
		{"checksum", func(b []byte) []byte { directory.HeaderIn(b).Checksum ^= 1; return b }, "bad checksum"},
		{"identity", func(b []byte) []byte { directory.HeaderIn(b).Identity[3]++; return b }, "bad checksum"},
		{"no slots", func(b []byte) []byte { directory.HeaderIn(b).Slots = 0; sign(b); return b }, "makes no sense"},
		{"slots", func(b []byte) []byte { directory.HeaderIn(b).Slots = proctab.MaxSlots + 1; sign(b); return b }, "makes no sense"},
		{"more slots", func(b []byte) []byte { directory.HeaderIn(b).Slots = 512; sign(b); return b }, "makes no sense"},
		{"no objects", func(b []byte) []byte { directory.HeaderIn(b).MaxObjects = 0; sign(b); return b }, "makes no sense"},
		{"objects", func(b []byte) []byte { directory.HeaderIn(b).MaxObjects = 63; sign(b); return b }, "makes no sense"},
		{"more objects", func(b []byte) []byte { directory.HeaderIn(b).MaxObjects = 1 << 31; sign(b); return b }, "makes no sense"},
		{"table", func(b []byte) []byte { directory.HeaderIn(b).Table = 0; sign(b); return b }, "makes no sense"},
		{"board", func(b []byte) []byte { directory.HeaderIn(b).Board -= directory.PageBytes; sign(b); return b }, "makes no sense"},
		{"buckets", func(b []byte) []byte { directory.HeaderIn(b).Buckets = 1 << 63; sign(b); return b }, "makes no sense"},
		{"entries", func(b []byte) []byte { directory.HeaderIn(b).Entries++; sign(b); return b }, "makes no sense"},
		{"heap", func(b []byte) []byte { directory.HeaderIn(b).Heap = directory.HeaderIn(b).Size; sign(b); return b }, "makes no sense"},
		{"entry size", func(b []byte) []byte { directory.HeaderIn(b).EntryBytes = 64; sign(b); return b }, "makes no sense"},
		{"size", func(b []byte) []byte { directory.HeaderIn(b).Size = 1 << 62; sign(b); return b }, "truncated"},
		{"no size", func(b []byte) []byte { directory.HeaderIn(b).Size = 0; sign(b); return b }, "makes no sense"},
		{"no heap", func(b []byte) []byte { directory.HeaderIn(b).Size = directory.HeaderIn(b).Heap; sign(b); return b }, "makes no sense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := written(t, c.change(append([]byte(nil), good...)))
			s, err := Open(path)
			if err == nil {
				s.Close()
			}
			wantError(t, err, ErrFormat, path, c.says, ":")
			begin, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := Remove(path); (err == nil) != directory.HasMagic(begin) {
				t.Errorf("and then Remove: %v", err)
			}
		})
	}
	s, err := Open(written(t, good))
	if err != nil {
		t.Fatalf("the good one: %v", err)
	}
	defer s.Close()
	if r := checked(t, s); r.Objects != 2 {
		t.Errorf("a copy has %+v", r)
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := proctest.Dir(t)
	link, fifo, loop := filepath.Join(dir, "link"), filepath.Join(dir, "fifo"), filepath.Join(dir, "loop")
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "target"), image(t, small), 0o600),
		os.Symlink("target", link), unix.Mkfifo(fifo, 0o600), os.Symlink("loop", loop),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, says := range map[string]string{
		link: "symbolic link", loop: "symbolic link", dir: "directory", fifo: "pipe", "/dev/null": "device",
	} {
		_, err := Open(path)
		wantError(t, err, ErrFormat, path, says, "name")
		if _, _, err := OpenOrCreate(path, small); !errors.Is(err, ErrFormat) {
			t.Errorf("OpenOrCreate %s: %v", path, err)
		}
		if _, err := Create(path, small); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create %s: %v", path, err)
		}
	}
	for _, path := range []string{dir, fifo, "/dev/null"} {
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = OpenFile(f)
		wantError(t, err, ErrFormat, path)
		f.Close()
	}
}

// A segment that was copied with holes is filled before it is used.
func TestOpenFillsHoles(t *testing.T) {
	whole := image(t, small)
	path := freshPath(t)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(len(whole))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(whole[:directory.HeaderBytes], 0); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, err := mapping.Stat(f)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(s.geo.Entries + directory.HeaderIn(whole).EntriesReal.Load() + directory.HeaderIn(whole).HeapReal.Load()); st.RealBytes < want {
		t.Errorf("%d bytes are real, want %d", st.RealBytes, want)
	}
}

func TestConfigLimits(t *testing.T) {
	path := freshPath(t)
	for _, c := range []struct {
		Config
		says string
	}{
		{Config{Size: -1}, "segment size -1 bytes: must be from 1 to"},
		{Config{Size: 1 << 62}, "must be from 1 to"},
		{Config{Size: 100}, "at least"},
		{Config{Size: 1 << 20, Objects: 1 << 20}, "1048576 objects"},
		{Config{Objects: -1}, "room for -1 objects"},
		{Config{Objects: directory.MaxObjects + 1}, "must be from 1 to"},
		{Config{Processes: -1}, "room for -1 processes"},
		{Config{Processes: proctab.MaxSlots + 1}, "must be from 1 to 1024"},
	} {
		_, err := Create(path, c.Config)
		wantError(t, err, fs.ErrInvalid, path, c.says)
		_, err = Anonymous("test", c.Config)
		wantError(t, err, fs.ErrInvalid, "test", c.says)
	}
	for _, c := range []Config{{}, {Size: 1 << 17, Objects: 1, Processes: 1}, {Processes: proctab.MaxSlots}, {Objects: 100000}} {
		s, err := Anonymous("test", c)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		checked(t, s)
		s.Close()
	}
}

func TestTooManyProcesses(t *testing.T) {
	s := fresh(t, Config{Size: 1 << 17, Objects: 1, Processes: 3})
	for range 2 {
		again(t, s)
	}
	_, err := Open(s.Path())
	wantError(t, err, proctab.ErrTooManyProcesses, s.Path(), "3 of 3 slots", "end some")
}

func TestTooManyObjects(t *testing.T) {
	s := fresh(t, Config{Size: 1 << 17, Objects: 4, Processes: 1})
	for i := range 4 {
		made(t, s, fmt.Sprint(i), 10)
	}
	_, _, err := s.New(rawSpec("five", 10))
	wantError(t, err, ErrTooManyObjects, s.Path(), `"five"`, "room for 4", "remove some")
	if err := s.Remove("2"); err != nil {
		t.Fatal(err)
	}
	made(t, s, "five", 10)
	checked(t, s)
}

func TestDirectoryLockedByAStoppedProcess(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	if err := other.lock.Lock(bounded(t)); err != nil {
		t.Fatal(err)
	}
	s.SetPatience(blink, closePatience) //clock: the time-out is the subject
	_, _, err := s.New(rawSpec("a", 1))
	wantError(t, err, lock.ErrLocked, s.Path(), filepath.Base(os.Args[0])[:8], fmt.Sprint(os.Getpid()), "let it go on")
	other.lock.Unlock()
	made(t, s, "a", 1)
}
