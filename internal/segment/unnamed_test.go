//go:build linux

package segment

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// unnamed makes an object without a name.
func unnamed(t testing.TB, s *Segment, n int64) *Object {
	t.Helper()
	return made(t, s, "", n)
}

// byHandle opens the object that b names.
func byHandle(b []byte) (*Object, error) { return Unmarshal(b, KindRawArray, "<B") }

func release(t testing.TB, o *Object) {
	t.Helper()
	if _, err := o.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestUnnamedObject(t *testing.T) {
	s := fresh(t, small)
	a, b := unnamed(t, s, 5000), unnamed(t, s, 5000)
	if &a.Payload[0] == &b.Payload[0] {
		t.Fatal("two objects without a name are one")
	}
	if a.GivenName() != "" || a.Name == "" || a.Name == b.Name {
		t.Errorf("they are called %q and %q", a.Name, b.Name)
	}
	if r := checked(t, s); r.Unnamed != 2 || r.Objects != 0 || r.Retired != 0 {
		t.Errorf("%+v, want two objects without a name", r)
	}
	s.Names(func(name string, _ Kind) bool { t.Errorf("%q is listed", name); return true })
	if _, err := s.Open(rawSpec("", AnySize)); !errors.Is(err, fs.ErrInvalid) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open without a name: %v", err)
	}
	if err := s.Remove(""); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("remove without a name: %v", err)
	}

	handle := marshaled(t, a)
	again, err := byHandle(handle)
	if err != nil || again != a {
		t.Fatalf("by its handle: %v, %v", again, err)
	}
	release(t, a)
	if r := checked(t, s); r.Unnamed != 2 {
		t.Errorf("%+v after one of two handles", r)
	}
	release(t, a)
	if r := checked(t, s); r.Unnamed != 1 {
		t.Errorf("%+v after the last handle", r)
	}
	if o, err := byHandle(handle); !errors.Is(err, ErrRemoved) {
		t.Errorf("a handle of what is freed: %v, %v", o, err)
	}
	runtime.KeepAlive(b)
}

// The memory of objects that only the collector can let go of comes back when room is lacking.
func TestUnnamedObjectsMakeRoom(t *testing.T) {
	s := fresh(t, small)
	for i := range 300 {
		o := unnamed(t, s, 20000)
		o.Payload[0] = 1
		if i%3 == 0 {
			release(t, o)
		}
	}
}

// unnamed user: a handle on each line. It opens the object and keeps it, until it is told to "drop"
// all, or to "exit".
var roleUnnamedUser = proctest.Register("unnamed user", func([]string) {
	var open []*Object
	for {
		switch line := proctest.Hear(); line {
		case "drop":
			for _, o := range open {
				_, err := o.Release()
				must(err)
			}
			open = nil
			proctest.Say("dropped")
		case "exit":
			return
		default:
			b, err := hex.DecodeString(line)
			must(err)
			o, err := byHandle(b)
			if err != nil {
				proctest.Say("%v", err)
				continue
			}
			o.Payload[0]++
			open = append(open, o)
			proctest.Say("open")
		}
	}
})

// An object lives as long as one process has it open, and ends with the last, however that lets go.
func TestUnnamedObjectEndsWithTheLastProcess(t *testing.T) {
	for _, end := range []string{"drop", "exit", "kill"} {
		t.Run(end, func(t *testing.T) {
			s := fresh(t, small)
			o := unnamed(t, s, 5000)
			handle := hex.EncodeToString(marshaled(t, o))
			first, second := proctest.Start(t, roleUnnamedUser), proctest.Start(t, roleUnnamedUser)
			first.Send(handle)
			first.Expect("open")
			if o.Payload[0] != 1 {
				t.Error("the other process has another object")
			}
			release(t, o)
			if r := checked(t, s); r.Unnamed != 1 {
				t.Fatalf("%+v while another process has it open", r)
			}
			second.Send(handle) // from a process that does not have it open any more
			second.Expect("open")
			first.Kill()
			if r := checked(t, s); r.Unnamed != 1 {
				t.Fatalf("%+v while a process is left", r)
			}
			if end == "kill" {
				second.Kill()
			} else {
				if end == "drop" {
					second.Send("drop")
					second.Expect("dropped")
				}
				second.Send("exit")
				second.WaitOK()
			}
			if r := checked(t, s); r.Unnamed != 0 || r.UsedFor != 0 {
				t.Errorf("%+v after the last has gone", r)
			}
		})
	}
}

// Openers race with a reclaim that finds no user: either the handle leads to the object, for all
// that have it open at once, or it is gone for good.
func TestUnnamedOpenRacesWithReclaim(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	for round := range 300 {
		o := unnamed(t, s, 100)
		o.Payload[0] = byte(round)
		p := o.place
		var all sync.WaitGroup
		opened := make([]*Object, 4)
		for i := range opened {
			all.Go(func() {
				at, err := other.openPlace(p)
				if err != nil {
					t.Error(err)
				}
				opened[i] = at
			})
		}
		all.Go(func() {
			_, err := o.Release()
			must(err)
			must(s.locked(func() error { return s.dir.Reclaim(math.MaxUint32) }))
		})
		all.Wait()
		open := 0
		for _, at := range opened {
			if at == nil {
				continue
			}
			open++
			if at.Payload[0] != byte(round) {
				t.Fatalf("round %d: a handle leads to another object", round)
			}
			if err := at.reachable(); err != nil {
				t.Fatal(err)
			}
		}
		if r := checked(t, s); r.Unnamed != min(open, 1) {
			t.Fatalf("round %d: %+v with %d open", round, r, open)
		}
		for _, at := range opened {
			if at != nil {
				release(t, at)
			}
		}
		if r := checked(t, s); r.Unnamed != 0 {
			t.Fatalf("round %d: %+v at its end", round, r)
		}
	}
}

// Many objects come and go between two processes, and neither memory nor entries run out.
func TestUnnamedObjectsComeAndGo(t *testing.T) {
	s := fresh(t, small)
	child := proctest.Start(t, roleUnnamedUser)
	for i := range 500 {
		o := unnamed(t, s, 3000)
		child.Send(hex.EncodeToString(marshaled(t, o)))
		child.Expect("open")
		if o.Payload[0] != 1 {
			t.Fatalf("object %d is not new", i)
		}
		release(t, o)
		if i%20 == 19 {
			child.Send("drop")
			child.Expect("dropped")
		}
	}
	child.Send("exit")
	child.WaitOK()
}
