//go:build linux

package shm_test

import (
	"fmt"
	"io/fs"
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

func unnamedIn(t testing.TB, seg *shm.Segment) int {
	t.Helper()
	return need(segment.Of(seg).Check()).Unnamed
}

// Objects of every kind do without a name, in every kind of segment: handles lead another process
// to them, and they end with the last handle.
func TestObjectsWithoutAName(t *testing.T) {
	anonymous := need(shm.Anonymous(small))
	defer anonymous.Close()
	defer need(shm.Default()).Close()
	for what, seg := range map[string]*shm.Segment{
		"named": newSegment(t, small), "anonymous": anonymous, "default": need(shm.Default()),
	} {
		t.Run(what, func(t *testing.T) {
			c := proctest.Start(t, roleReceiver)
			c.Expect("ready")
			before := unnamedIn(t, seg)
			var all []handle
			for i, m := range makers {
				h, other := need(m.new(seg, "")), need(m.new(seg, ""))
				if h.Name() != "" {
					t.Errorf("%s: its name is %q", m.kind, h.Name())
				}
				c.Send(fmt.Sprintf("%d %x", i, need(h.MarshalBinary())))
				c.Expect("found ")
				if n, m := level(h), level(other); n != 1 || m != 0 {
					t.Errorf("%v was changed %d times, another one %d times", h, n, m)
				}
				_, err := m.open(seg, "")
				wantErr(t, err, fs.ErrInvalid, "its handle")
				all = append(all, h, other)
			}
			for name := range seg.Objects() {
				t.Errorf("%q is listed", name)
			}
			if n := unnamedIn(t, seg) - before; n != len(all) {
				t.Errorf("%d objects are there, want %d", n, len(all))
			}
			c.Send("end")
			c.WaitOK()
			for _, h := range all {
				wantOK(t, h.(interface{ Detach() error }).Detach())
			}
			if n := unnamedIn(t, seg) - before; n != 0 {
				t.Errorf("%d objects are left", n)
			}
		})
	}
}

// A nil segment is an error of every constructor, and so its own error can be looked at later.
func TestNilSegment(t *testing.T) {
	for _, m := range makers {
		_, err := m.new(nil, "a")
		wantErr(t, err, fs.ErrInvalid, "must not be nil")
		_, err = m.open(nil, "a")
		wantErr(t, err, fs.ErrInvalid, "must not be nil")
	}
}

func TestDefault(t *testing.T) {
	seg := need(shm.Default())
	if again := need(shm.Default()); again != seg {
		t.Error("a second call returns another segment")
	}
	v := need(shm.NewValue(seg, "", 10.0))
	if n := need(v.Load()); n != 10 {
		t.Errorf("the value is %v", n)
	}
	wantOK(t, seg.Close())
	next := need(shm.Default())
	if next == seg {
		t.Error("a closed segment is returned")
	}
	wantOK(t, next.Close())
	_, err := v.Load()
	wantErr(t, err, shm.ErrClosed, "without a name")
}

// A program that makes objects without a name all the time, and forgets them, does not run out of
// memory: the collector of this process or of another gives them back.
func TestForgottenObjects(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 4 << 20, Objects: 64, Processes: 16})
	c := proctest.Start(t, roleReceiver)
	c.Expect("ready")
	const array = 3 // of makers
	for i := range 200 {
		a := need(shm.NewRawArray[int64](seg, "", 40_000))
		c.Send(fmt.Sprintf("%d %x", array, need(a.MarshalBinary())))
		c.Expect("found ")
		if a.At(3) != 1 {
			t.Fatalf("array %d is another one", i)
		}
		runtime.KeepAlive(a)
	}
	c.Send("end")
	c.WaitOK()
}
