//go:build linux

package inspect

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) { proctest.Main(m) }

var background = context.Background()

// must returns v, and panics on an error, for what cannot fail here.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newSegment makes a segment that is closed at the end of the test.
func newSegment(t testing.TB, o shm.Options) *shm.Segment {
	t.Helper()
	if o.Size == 0 {
		o.Size = 2 << 20
	}
	if o.Processes == 0 {
		o.Processes = 8
	}
	seg, err := shm.Create(filepath.Join(proctest.Dir(t), "segment"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return seg
}

// read reads the segment in a file.
func read(t testing.TB, path string) *Segment {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	s, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var everything = describe.Want{Elements: 1000, Messages: 1000}

// object reads an object by its name.
func object(t testing.TB, s *Segment, name string) Object {
	t.Helper()
	o, err := s.Object(name, everything)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var myPID = os.Getpid()
