//go:build linux

package segment

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// small is a segment that a walk is done with in no time.
var small = Config{Size: 256 << 10, Objects: 64, Processes: 16}

// freshPath is where a segment of the test can be.
func freshPath(t testing.TB) string { return filepath.Join(proctest.Dir(t), "segment") }

// fresh makes a segment that is closed at the end of the test.
func fresh(t testing.TB, c Config) *Segment {
	t.Helper()
	s, err := Create(freshPath(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// again attaches once more to the segment, for the time of the test.
func again(t testing.TB, s *Segment) *Segment {
	t.Helper()
	other, err := OpenFile(s.File())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

// must is for roles: it ends the process when there is an error.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func mustOpen(path string) *Segment {
	s, err := Open(path)
	must(err)
	return s
}

// made makes an object of n bytes.
func made(t testing.TB, s *Segment, name string, n int64) *Object {
	t.Helper()
	o, _, err := s.New(rawSpec(name, n))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func rawSpec(name string, n int64) Spec {
	return Spec{Name: name, Kind: KindRawArray, Type: "<B", Size: n}
}

// checked fails the test unless the segment is in order, and returns what is in it.
func checked(t testing.TB, s *Segment) directory.Report {
	t.Helper()
	r, err := s.Check()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bounded is a context for what ends at all.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Hang)
	t.Cleanup(cancel)
	return ctx
}

// scan reads the words of a line.
func scan(t testing.TB, line string, words ...any) {
	t.Helper()
	if _, err := fmt.Sscan(line, words...); err != nil {
		t.Fatalf("line %q: %v", line, err)
	}
}

// blink is a patience for what will not come.
const blink = 5 * time.Millisecond
