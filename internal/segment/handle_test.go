//go:build linux

package segment

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
)

func marshaled(t testing.TB, o *Object) []byte {
	t.Helper()
	b, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A role that opens handles as they come, and says what is in the first byte. Its
// arguments make it attach before.
var roleHandle = proctest.Register("handle", func(args []string) {
	switch {
	case len(args) == 0:
	case args[0] == "inherit":
		_, err := OpenFile(os.NewFile(3, "inherited"))
		must(err)
	default:
		mustOpen(args[0])
	}
	for {
		b, err := hex.DecodeString(proctest.Hear())
		must(err)
		if len(b) == 0 {
			return
		}
		o, err := Unmarshal(b, KindRawArray, "<B")
		switch {
		case errors.Is(err, ErrRemoved):
			proctest.Say("removed")
		case err != nil:
			proctest.Say("%v", err)
		default:
			o.Payload[1] = o.Payload[0] + 1
			attachedMu.Lock()
			n := len(attached)
			attachedMu.Unlock()
			proctest.Say("%d of %q in %d", o.Payload[0], o.Name, n)
			runtime.KeepAlive(o) // without it the segment may be left
		}
	}
})

// Handles lead to the same object, whether the receiver has the segment already or finds it by the
// handle.
func TestHandleReachesAnotherProcess(t *testing.T) {
	for _, how := range []string{"path known", "path unknown", "anonymous, inherited", "anonymous, found"} {
		t.Run(how, func(t *testing.T) {
			s := fresh(t, small)
			if how[0] == 'a' {
				var err error
				if s, err = Anonymous("handles", small); err != nil {
					t.Fatal(err)
				}
				defer s.Close()
			}
			c := proctest.Command(t, roleHandle)
			switch how {
			case "path known":
				c = proctest.Command(t, roleHandle, s.Path())
			case "anonymous, inherited":
				c = proctest.Command(t, roleHandle, "inherit")
				c.Cmd.ExtraFiles = []*os.File{s.File()}
			}
			c.Start()
			a, b := made(t, s, "a", 10), made(t, s, "b", 10)
			a.Payload[0], b.Payload[0] = 3, 5
			handle := hex.EncodeToString(marshaled(t, a))
			c.Send(handle)
			c.Expect(`3 of "a" in 1`)
			c.Send(hex.EncodeToString(marshaled(t, b)))
			c.Expect(`5 of "b" in 1`)
			c.Send(handle)
			c.Expect(`3 of "a" in 1`)
			if a.Payload[1] != 4 || b.Payload[1] != 6 {
				t.Error("it was another object")
			}
			if err := s.Remove("a"); err != nil {
				t.Fatal(err)
			}
			made(t, s, "a", 10)
			c.Send(handle)
			c.Expect("removed")
			_, err := a.Marshal()
			wantError(t, err, ErrRemoved, s.Path(), `"a"`)
			c.Send("")
			c.WaitOK()
		})
	}
}

func TestHandleOfARemovedSegment(t *testing.T) {
	s := fresh(t, small)
	o := made(t, s, "a", 10)
	handle := marshaled(t, o)
	if err := s.Unlink(); err != nil {
		t.Fatal(err)
	}
	_, err := o.Marshal()
	wantError(t, err, ErrRemoved, s.Path(), "make a new one")
	c := proctest.Start(t, roleHandle)
	c.Send(hex.EncodeToString(handle))
	c.Expect("removed")
	successor, err := Create(s.Path(), small)
	if err != nil {
		t.Fatal(err)
	}
	defer successor.Close()
	made(t, successor, "a", 10)
	c.Send(hex.EncodeToString(handle))
	c.Expect("removed")
	c.Send("")
	c.WaitOK()
	if again, err := Unmarshal(handle, KindRawArray, "<B"); err != nil || again != o {
		t.Errorf("in a process that has it still: %v", err)
	}
	s.Close()
	_, err = o.Marshal()
	wantError(t, err, lock.ErrClosed, s.Path())
}

func TestBadHandles(t *testing.T) {
	s := fresh(t, small)
	o := made(t, s, "a", 10)
	good := marshaled(t, o)
	change := func(f func(b []byte)) []byte {
		b := append([]byte(nil), good...)
		f(b)
		return b
	}
	for _, c := range []struct {
		what string
		b    []byte
		is   error
	}{
		{"nothing", nil, ErrFormat},
		{"short", good[:handleBytes-1], ErrFormat},
		{"version", change(func(b []byte) { b[0]++ }), ErrFormat},
		{"way", change(func(b []byte) { b[1] = 2 }), ErrFormat},
		{"entry", change(func(b []byte) { b[21] = 0xff }), ErrFormat},
		{"unused entry", change(func(b []byte) { b[18] = 1 }), ErrFormat},
		{"serial", change(func(b []byte) { b[22]++ }), ErrRemoved},
		{"high serial", change(func(b []byte) { b[29] = 0xff }), ErrRemoved},
		{"identity", change(func(b []byte) { b[2]++ }), ErrRemoved},
		{"path", change(func(b []byte) { b[2]++; b[len(b)-1]++ }), fs.ErrNotExist},
		{"no path", change(func(b []byte) { b[2]++ })[:handleBytes], fs.ErrNotExist},
		{"anonymous", change(func(b []byte) { b[2]++; b[1] = 0 }), ErrFormat},
	} {
		if o, err := Unmarshal(c.b, KindRawArray, "<B"); !errors.Is(err, c.is) {
			t.Errorf("%s: %v, %v, want %v", c.what, o, err, c.is)
		}
	}
	_, err := Unmarshal(good, KindValue, "<B")
	wantError(t, err, ErrMismatch, s.Path(), `"a"`, "RawArray, not Value")
	_, err = Unmarshal(good, KindRawArray, "<i")
	wantError(t, err, ErrMismatch, s.Path(), `"a"`, "uint8 in the segment, int32 here")
	if n := len(attached); n != 1 {
		t.Errorf("%d segments are attached", n)
	}
}
