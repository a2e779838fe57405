//go:build linux

package inspect

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

func TestRefusesWhatIsNoSegment(t *testing.T) {
	dir := proctest.Dir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	check(t, os.WriteFile(at("text"), []byte("hello"), 0o600))
	check(t, os.WriteFile(at("empty"), nil, 0o600))
	check(t, os.WriteFile(at("zeros"), make([]byte, 8192), 0o600))
	check(t, os.Mkdir(at("dir"), 0o700))
	check(t, os.Symlink("text", at("link")))
	check(t, syscall.Mkfifo(at("fifo"), 0o600))
	for _, name := range []string{"text", "empty", "zeros", "dir", "link", "fifo"} {
		if _, err := look(at(name)); err == nil || name != "link" && !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), at(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := look(at("missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// A damaged segment is read as far as it goes.
func TestReadsDamagedSegments(t *testing.T) {
	seg := full(t)
	data := must(os.ReadFile(seg.Path()))
	path := filepath.Join(proctest.Dir(t), "copy")
	reads := func(name string, change func(data []byte) []byte) (*Segment, error) {
		check(t, os.WriteFile(path, change(append([]byte(nil), data...)), 0o600))
		f := must(Open(path))
		defer f.Close()
		s, err := Read(f)
		if err == nil {
			for range s.All(everything) {
			}
		}
		t.Logf("%s: %v, %v", name, err, s)
		return s, err
	}
	for _, size := range []int{5000, 40 << 10, len(data) / 2} {
		s, err := reads("truncated", func(data []byte) []byte { return data[:size] })
		if err != nil || len(s.Trouble) == 0 || !strings.Contains(s.Trouble[0], "truncated") {
			t.Errorf("%d bytes: %v, %v", size, err, s)
		}
	}
	for offset, want := range map[int]string{8: "version", 30: "checksum", 0: "magic"} {
		if _, err := reads("changed", func(data []byte) []byte { data[offset]++; return data }); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("byte %d changed: %v, want %s", offset, err, want)
		}
	}
	// The whole heap is overwritten, but not what tells where things are.
	s, err := reads("scribbled", func(data []byte) []byte {
		heap := binary.LittleEndian.Uint64(data[80:])
		for i := range data[heap:] {
			data[heap:][i] = 0xa5
		}
		return data
	})
	if err != nil {
		t.Errorf("scribbled: %v", err)
	}
	_ = s
}

// small is a segment with an object of each kind, as a file.
var small = sync.OnceValue(func() []byte {
	dir := must(os.MkdirTemp("/dev/shm", "shmkit-test-"))
	defer os.RemoveAll(dir)
	seg := must(shm.Create(filepath.Join(dir, "s"), shm.Options{Size: 1 << 20, Processes: 2, Objects: 64}))
	defer seg.Close()
	t := new(recorder)
	for _, k := range kinds {
		k.make(&t.T, seg)
	}
	return must(os.ReadFile(seg.Path()))
})

// A recorder is a testing.T for makers outside of a test.
type recorder struct{ testing.T }

// FuzzInspect changes words of a segment, and reads all of it. Nothing may panic, and no more be
// read than is allowed.
func FuzzInspect(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, uint32(1<<20))
	f.Add([]byte{72, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}, uint32(1<<20))
	f.Add([]byte{0x10, 1, 0, 0, 255, 255, 255, 0, 0, 0, 0, 0}, uint32(60000))
	data := small()
	path := filepath.Join(proctest.Dir(f), "fuzzed")
	f.Fuzz(func(t *testing.T, changes []byte, size uint32) {
		mine := append([]byte(nil), data...)
		for ; len(changes) >= 12; changes = changes[12:] {
			at := int(binary.LittleEndian.Uint32(changes)) % (len(mine) - 8) &^ 3
			copy(mine[at:], changes[4:12])
		}
		mine = mine[:min(int(size), len(mine))]
		check(t, os.WriteFile(path, mine, 0o600))
		file := must(Open(path))
		defer file.Close()
		s, err := Read(file)
		if err != nil {
			return
		}
		for o, err := range s.All(everything) {
			_, _ = o, err
		}
		if s.budget < -(4 << 20) {
			t.Errorf("%d bytes were read beyond the budget", -s.budget)
		}
	})
}
