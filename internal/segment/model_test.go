//go:build linux

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
	"pgregory.net/rapid"
)

// A world is a segment and what should be in it.
type world struct {
	t      *rapid.T
	s      *Segment
	user   *Segment // a second attachment
	names  map[string]*thing
	held   []*thing          // removed objects that the user has open
	lone   []*thing          // objects without a name, which the user has open
	blocks map[uint64]*thing // of s
	next   byte
}

// A thing is memory that belongs to an object or a process, and is filled with its mark.
type thing struct {
	mem  []byte
	mark byte
	o    *Object // keeps it open
}

// mark fills new memory, which must be zero.
func (w *world) mark(mem []byte, o *Object) *thing {
	for i, b := range mem {
		if b != 0 {
			w.t.Fatalf("byte %d of new memory is %#x", i, b)
		}
	}
	w.next++
	th := &thing{mem: mem, mark: w.next, o: o}
	for i := range mem {
		mem[i] = th.mark
	}
	return th
}

func (w *world) intact(what string, th *thing) {
	for i, b := range th.mem {
		if b != th.mark {
			w.t.Fatalf("%s: byte %d is %#x, want %#x", what, i, b, th.mark)
		}
	}
}

// full fails the test unless there really is no piece of that size.
func (w *world) full(err error, need uint64) {
	if !directory.LacksRoom(err) {
		w.t.Fatal(err)
	}
	h := w.s.dir.Header()
	if w.s.geo.Size-h.Brk.Load() >= need {
		w.t.Fatalf("%v, but there is room at the end", err)
	}
	for off := w.s.geo.Heap; off < h.Brk.Load(); {
		word := w.s.dir.Block(off).Word.Load()
		if word&directory.InUse == 0 && word&directory.SizeMask >= need {
			w.t.Fatalf("%v, but %d bytes are free at %#x", err, word&directory.SizeMask, off)
		}
		off += word & directory.SizeMask
	}
}

func (w *world) drawSize(label string) int {
	limit := rapid.SampledFrom([]int{0, 1, 200, 3000, 40000, 300000}).Draw(w.t, label+" up to")
	return rapid.IntRange(0, limit).Draw(w.t, label)
}

func (w *world) create(t *rapid.T) {
	name := fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "name"))
	n := w.drawSize("size")
	th := w.names[name]
	o, created, err := w.s.New(rawSpec(name, int64(n)))
	switch {
	case th == nil && err != nil:
		if !errors.Is(err, ErrTooManyObjects) {
			head := directory.RoundUp(uint64(directory.BlockHeaderBytes+len(name)+len("<B")), directory.LineBytes)
			w.full(err, directory.RoundUp(head+uint64(n), directory.LineBytes))
		} else if len(w.names)+len(w.held)+len(w.lone) < 32 {
			t.Fatalf("%v, with %d objects", err, len(w.names))
		}
	case th == nil:
		if !created {
			t.Fatal("found what was not there")
		}
		w.names[name] = w.mark(o.Payload, o)
	case len(th.mem) == n && (err != nil || created || o != th.o):
		t.Fatalf("%v, created %v", err, created)
	case len(th.mem) != n && !errors.Is(err, ErrMismatch):
		t.Fatal(err)
	}
}

// pass makes an object without a name and passes it on to the user.
func (w *world) pass(t *rapid.T) {
	n := w.drawSize("size")
	o, created, err := w.s.New(rawSpec("", int64(n)))
	if err != nil {
		if !errors.Is(err, ErrTooManyObjects) {
			w.full(err, directory.RoundUp(directory.RoundUp(uint64(directory.BlockHeaderBytes+len("<B")), directory.LineBytes)+uint64(n), directory.LineBytes))
		}
		return
	}
	th := w.mark(o.Payload, nil)
	if th.o, err = w.user.openPlace(o.place); err != nil || th.o == nil || !created {
		t.Fatalf("%v, %v, created %v", th.o, err, created)
	}
	th.mem = th.o.Payload
	if _, err := o.Release(); err != nil {
		t.Fatal(err)
	}
	w.lone = append(w.lone, th)
}

// drop lets the user let go of an object without a name.
func (w *world) drop(t *rapid.T) {
	if len(w.lone) == 0 {
		t.Skip("no object without a name")
	}
	i := rapid.IntRange(0, len(w.lone)-1).Draw(t, "object")
	if _, err := w.lone[i].o.Release(); err != nil {
		t.Fatal(err)
	}
	w.lone = slices.Delete(w.lone, i, i+1)
}

func (w *world) remove(t *rapid.T) {
	name := fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "name"))
	th := w.names[name]
	if th == nil {
		if err := w.s.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return
	}
	if rapid.Bool().Draw(t, "somebody has it open") {
		o, err := w.user.Open(rawSpec(name, AnySize))
		if err != nil {
			t.Fatal(err)
		}
		w.held = append(w.held, &thing{mem: o.Payload, mark: th.mark, o: o})
	}
	if err := w.s.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Open(rawSpec(name, AnySize)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	delete(w.names, name)
	w.letGo(w.s)
}

// letGo tells a segment that this process's handles of removed objects are gone,
// as the garbage collector would.
func (w *world) letGo(s *Segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.objects.open {
		if s == w.s && s.dir.Entry(p.index).State.Load() != p.serial<<directory.SerialShift|directory.StateLive {
			delete(s.objects.open, p)
			delete(s.objects.entries, p.index)
			s.leave(p.index)
		}
	}
}

func (w *world) alloc(t *rapid.T) {
	n := w.drawSize("size")
	off, mem, err := w.s.Alloc(n)
	if err != nil {
		w.full(err, directory.RoundUp(uint64(n)+directory.BlockHeaderBytes, directory.LineBytes))
		return
	}
	w.blocks[off] = w.mark(mem, nil)
	again, err := w.user.Bytes(off, n)
	if err != nil || len(again) != n {
		t.Fatal(err)
	}
}

func (w *world) free(t *rapid.T) {
	if len(w.blocks) == 0 {
		t.Skip("no block")
	}
	offs := make([]uint64, 0, len(w.blocks))
	for off := range w.blocks {
		offs = append(offs, off)
	}
	slices.Sort(offs)
	off := rapid.SampledFrom(offs).Draw(t, "block")
	if err := w.user.Free(off); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("freed by somebody else: %v", err)
	}
	owner := w.s
	if rapid.Bool().Draw(t, "given away first") {
		owner = w.user
		if err := w.s.Give(off, w.user.Me(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := owner.Free(off); err != nil {
		t.Fatal(err)
	}
	if err := owner.Free(off); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("freed twice: %v", err)
	}
	delete(w.blocks, off)
}

// reopen leaves and comes back: blocks end with their owner, objects stay.
func (w *world) reopen(t *rapid.T) {
	s, err := OpenFile(w.user.File())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	w.s, w.blocks = s, map[uint64]*thing{}
	if err := s.Reclaim(); err != nil {
		t.Fatal(err)
	}
	for name, th := range w.names {
		o, err := s.Open(rawSpec(name, int64(len(th.mem))))
		if err != nil {
			t.Fatal(err)
		}
		th.mem, th.o = o.Payload, o
	}
}

// userLeaves lets go of all removed objects.
func (w *world) userLeaves(t *rapid.T) {
	user, err := OpenFile(w.s.File())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.user.Close(); err != nil {
		t.Fatal(err)
	}
	w.user, w.held, w.lone = user, nil, nil
}

func (w *world) check(t *rapid.T) {
	w.t = t
	r, err := w.s.Check()
	if err != nil {
		t.Fatal(err)
	}
	if r.Objects != len(w.names) || r.Retired != len(w.held) || r.Unnamed != len(w.lone) || r.Blocks != len(w.blocks) || r.Orphans != 0 {
		t.Fatalf("%+v, want %d objects, %d retired, %d without a name, %d blocks", r, len(w.names), len(w.held), len(w.lone), len(w.blocks))
	}
	for name, th := range w.names {
		w.intact(name, th)
	}
	for _, th := range w.held {
		w.intact("removed object", th)
	}
	for _, th := range w.lone {
		w.intact("object without a name", th)
	}
	for _, th := range w.blocks {
		w.intact("block", th)
	}
}

// The directory and the heap do what a map would, and no byte of the heap is lost.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := Anonymous("model", Config{Size: 256 << 10, Objects: 32, Processes: 4})
		if err != nil {
			t.Fatal(err)
		}
		user, err := OpenFile(s.File())
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, s: s, user: user, names: map[string]*thing{}, blocks: map[uint64]*thing{}}
		defer func() { w.s.Close(); w.user.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"create": w.create, "create more": w.create, "remove": w.remove, "alloc": w.alloc, "free": w.free,
			"pass": w.pass, "drop": w.drop,
			"reopen": w.reopen, "user leaves": w.userLeaves, "": w.check,
		})
		w.empty(t)
	})
	runtime.GC() // unmaps
}

// empty removes everything: then the heap is as it was at first.
func (w *world) empty(t *rapid.T) {
	w.userLeaves(t)
	for name := range w.names {
		if err := w.s.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for off := range w.blocks {
		if err := w.s.Free(off); err != nil {
			t.Fatal(err)
		}
	}
	w.names, w.blocks = nil, nil
	w.letGo(w.s)
	w.check(t)
	if h := w.s.dir.Header(); h.Brk.Load() != w.s.geo.Heap || h.FreeBytes != 0 {
		t.Fatalf("%d bytes are left in use, %d free in pieces", h.Brk.Load()-w.s.geo.Heap, h.FreeBytes)
	}
}
