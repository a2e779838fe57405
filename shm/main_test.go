//go:build linux

package shm_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) { proctest.Main(m) }

var background = context.Background()

// small is a segment that is made and walked in no time.
var small = shm.Options{Size: 512 << 10, Objects: 64, Processes: 16}

func newPath(t testing.TB) string { return filepath.Join(proctest.Dir(t), "segment") }

// newSegment makes a segment for this process and children, which open it by its
// path. It must be in order at the end of the test.
func newSegment(t testing.TB, o shm.Options) *shm.Segment {
	t.Helper()
	seg, err := shm.Create(newPath(t), o)
	wantOK(t, err)
	t.Cleanup(func() {
		if err := seg.Check(); err != nil {
			t.Error(err)
		}
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	})
	return seg
}

// must is for roles and examples: it ends the process when there is an error.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func need[T any](t T, err error) T {
	must(err)
	return t
}

func wantOK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holder: SEGMENT. It holds the lock of the Value "v" and of the Array "a", until it hears
// something.
var roleHolder = proctest.Register("holder", func(args []string) {
	seg := need(shm.Open(args[0]))
	v, a := need(shm.OpenValue[int64](seg, "v")), need(shm.OpenArray[int64](seg, "a"))
	must(v.Update(background, func(v *int64) error {
		*v = -1 // no process sees it
		return a.Update(background, func(e []int64) error {
			proctest.Say("held")
			proctest.Hear()
			return nil
		})
	}))
	must(seg.Close())
})

// held makes the Value "v" and the Array "a", and has a child hold their locks.
func held(t testing.TB, seg *shm.Segment) (*shm.Value[int64], *shm.Array[int64], *proctest.Child) {
	t.Helper()
	v, err := shm.NewValue[int64](seg, "v", 7)
	wantOK(t, err)
	a, err := shm.NewArray[int64](seg, "a", 4)
	wantOK(t, err)
	c := proctest.Start(t, roleHolder, seg.Path())
	c.Expect("held")
	return v, a, c
}
