//go:build linux

package shm_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// receiver [inherit | SEGMENT]. For each line, a number of a maker and a handle, it says what it
// found, and changes it.
var roleReceiver = proctest.Register("receiver", func(args []string) {
	var seg *shm.Segment
	if len(args) > 0 && args[0] == "inherit" {
		seg = need(shm.FromFile(os.NewFile(3, "inherited")))
	} else if len(args) > 0 {
		seg = need(shm.Open(args[0]))
	}
	proctest.Say("ready")
	for {
		var i int
		var text string
		if n, _ := fmt.Sscan(proctest.Hear(), &i, &text); n != 2 {
			break
		}
		h := makers[i].zero()
		switch err := h.UnmarshalBinary(need(hex.DecodeString(text))); {
		case errors.Is(err, shm.ErrRemoved):
			proctest.Say("removed")
		case err != nil:
			proctest.Say("%v", err)
		default:
			raise(h)
			proctest.Say("found %s", h.Name())
		}
	}
	if seg != nil {
		must(seg.Close())
	}
})

// raise changes an object so that it is seen; level is how often it was done.
func raise(h handle) {
	switch h := h.(type) {
	case *shm.Value[int64]:
		must(h.Update(background, func(n *int64) error { *n++; return nil }))
	case *shm.RawValue[int64]:
		h.Store(h.Load() + 1)
	case *shm.Array[int64]:
		must(h.UpdateRange(background, 3, 4, func(e []int64) error { e[0]++; return nil }))
	case *shm.RawArray[int64]:
		h.Set(3, h.At(3)+1)
	case *shm.Int32:
		h.Add(1)
	case *shm.Int64:
		h.Add(1)
	case *shm.Uint32:
		h.Add(1)
	case *shm.Uint64:
		h.Add(1)
	case *shm.Float64:
		h.Add(1)
	case *shm.Bool:
		h.Store(!h.Load())
	case *shm.Counter:
		h.Add(1)
	default:
		panic("no such kind")
	}
}

func level(h handle) int64 {
	switch h := h.(type) {
	case *shm.Value[int64]:
		return need(h.Load()) - 1
	case *shm.RawValue[int64]:
		return h.Load() - 1
	case *shm.Array[int64]:
		return need(h.At(background, 3))
	case *shm.RawArray[int64]:
		return h.At(3)
	case *shm.Int32:
		return int64(h.Load()) - 1
	case *shm.Int64:
		return h.Load() - 1
	case *shm.Uint32:
		return int64(h.Load()) - 1
	case *shm.Uint64:
		return int64(h.Load()) - 1
	case *shm.Float64:
		return int64(h.Load()) - 1
	case *shm.Bool:
		if h.Load() {
			return 0
		}
		return 1
	case *shm.Counter:
		return h.Sum()
	}
	panic("no such kind")
}

// A handle of every kind leads another process to the same object, whichever way it has to the
// segment.
func TestHandlesReachAnotherProcess(t *testing.T) {
	for _, how := range []string{"path known", "path unknown", "anonymous and inherited", "anonymous and found"} {
		t.Run(strings.ReplaceAll(how, " ", "-"), func(t *testing.T) {
			var seg *shm.Segment
			if strings.HasPrefix(how, "anonymous") {
				seg = need(shm.Anonymous(small))
				defer seg.Close()
			} else {
				seg = newSegment(t, small)
			}
			c := proctest.Command(t, roleReceiver)
			switch how {
			case "path known":
				c = proctest.Command(t, roleReceiver, seg.Path())
			case "anonymous and inherited":
				c = proctest.Command(t, roleReceiver, "inherit")
				c.Cmd.ExtraFiles = []*os.File{seg.File()}
			}
			c.Start()
			c.Expect("ready")
			for i, m := range makers {
				h := need(m.new(seg, m.kind))
				b := need(h.MarshalBinary())
				c.Send(fmt.Sprintf("%d %x", i, b))
				c.Expect("found " + m.kind)
				if n := level(h); n != 1 {
					t.Errorf("%s: the change is not seen: %d", m.kind, n)
				}
				wantOK(t, seg.RemoveObject(m.kind))
				need(m.new(seg, m.kind)) // another one
				c.Send(fmt.Sprintf("%d %x", i, b))
				c.Expect("removed")
				_, err := h.MarshalBinary()
				wantErr(t, err, shm.ErrRemoved, m.kind, seg.Path())
				c.Send(fmt.Sprintf("%d %x", (i+1)%len(makers), need(need(m.open(seg, m.kind)).MarshalBinary())))
				if line := c.Line(); !strings.Contains(line, m.kind) {
					t.Errorf("%s taken for another kind: %s", m.kind, line)
				}
			}
			c.Send("end")
			c.WaitOK()
		})
	}
}

// A handle of a segment that is gone, or has made way for another, leads nowhere.
func TestHandleOfARemovedSegment(t *testing.T) {
	path := newPath(t)
	seg := need(shm.Create(path, small))
	b := need(need(shm.NewInt64(seg, "n", 1)).MarshalBinary())
	wantOK(t, seg.Remove())
	wantOK(t, seg.Close())
	var n shm.Int64
	wantErr(t, n.UnmarshalBinary(b), shm.ErrRemoved, path)
	successor := need(shm.Create(path, small))
	defer successor.Close()
	need(shm.NewInt64(successor, "n", 1))
	wantErr(t, n.UnmarshalBinary(b), shm.ErrRemoved, path)

	anonymous := need(shm.Anonymous(small))
	b = need(need(shm.NewInt64(anonymous, "n", 1)).MarshalBinary())
	wantOK(t, anonymous.Close())
	wantErr(t, n.UnmarshalBinary(b), shm.ErrRemoved)
	if _, err := n.MarshalBinary(); err == nil {
		t.Error("a handle without an object was written down")
	}
}

// Bytes that are no handle give an error, and leave the handle as it was.
func TestGarbageForHandles(t *testing.T) {
	seg := newSegment(t, small)
	for _, m := range makers {
		h := need(m.new(seg, m.kind))
		good := need(h.MarshalBinary())
		for _, bad := range [][]byte{nil, {}, {1}, []byte("garbage"), make([]byte, 30), make([]byte, 1000), good[:29], good[:30]} {
			if err := m.zero().UnmarshalBinary(bad); len(bad) != 30 || bad[0] != good[0] {
				wantErr(t, err, shm.ErrFormat, "handle")
			} else if err != nil { // the identity alone is enough, as the segment is attached
				t.Error(err)
			}
		}
		for i := range 30 {
			bad := slices.Clone(good)
			bad[i] ^= 0x55
			if err := h.UnmarshalBinary(bad); err == nil {
				t.Errorf("%s: byte %d does not matter", m.kind, i)
			}
			if h.Name() != m.kind {
				t.Errorf("%s: the handle was changed to %s", m.kind, h.Name())
			}
		}
		wantOK(t, h.UnmarshalBinary(good))
		raise(h)
	}
}
