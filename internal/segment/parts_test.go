package segment

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
)

func partSpec(name string) Spec { return Spec{Name: name, Kind: KindDict, Size: 256} }

func newParted(t *testing.T, s *Segment, name string) *Object {
	t.Helper()
	o, _, err := s.New(partSpec(name))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// addPart allocates a block of n bytes and makes it a part.
func addPart(t *testing.T, o *Object, n int, number uint32) uint64 {
	t.Helper()
	off, _, err := o.Seg.AllocDirty(n)
	if err == nil {
		err = o.Adopt(off, number)
	}
	if err != nil {
		t.Fatal(err)
	}
	return off
}

func partsOf(t *testing.T, o *Object) int {
	t.Helper()
	n, _, err := o.Parts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPartsBelongToTheirObject(t *testing.T) {
	s, err := Create(freshPath(t), Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, b := newParted(t, s, "a"), newParted(t, s, "b")
	first := addPart(t, a, 100, 0)
	addPart(t, a, 5000, directory.MaxPart)
	addPart(t, b, 300, 7)
	if n, m := partsOf(t, a), partsOf(t, b); n != 2 || m != 1 {
		t.Fatalf("%d and %d parts, want 2 and 1", n, m)
	}
	if r := checked(t, s); r.Parts != 3 || r.Blocks != 0 || r.Objects != 2 {
		t.Errorf("%+v, want 3 parts of 2 objects", r)
	}
	must(s.Reclaim()) // a rebuild keeps parts
	if n := partsOf(t, a); n != 2 {
		t.Fatalf("a rebuild left %d parts, want 2", n)
	}
	if err := s.Free(first); !errors.Is(err, ErrCorrupt) {
		t.Errorf("free of a part: %v, want ErrCorrupt", err)
	}
	if err := b.Disown(first, 0); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another object disowns a part: %v, want ErrCorrupt", err)
	}
	must(a.Disown(first, 0))
	if err := a.Disown(first, 0); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a second Disown: %v, want ErrCorrupt", err)
	}
	must(s.Free(first))
	if n := partsOf(t, a); n != 1 {
		t.Errorf("%d parts are left, want 1", n)
	}
	for _, off := range []uint64{0, 8, first + 8, 1 << 50} {
		if err := a.Adopt(off, 0); !errors.Is(err, ErrCorrupt) {
			t.Errorf("adopt of %#x: %v, want ErrCorrupt", off, err)
		}
	}
}

// The parts of a removed object stay as long as a process has it open, and go with it.
func TestPartsEndWithTheirObject(t *testing.T) {
	s, err := Create(freshPath(t), Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		a := newParted(t, s, "a")
		for n := range uint32(20) {
			addPart(t, a, 1000, n)
		}
		must(s.Remove("a"))
		if n := partsOf(t, a); n != 20 {
			t.Fatalf("%d parts of an object that is in use, want 20", n)
		}
		checked(t, s)
		a.Abandon()
		must(s.Reclaim())
		if r := checked(t, s); r.Parts != 0 || r.UsedFor != 0 || r.FreeIn != 0 {
			t.Fatalf("after the removal: %+v, want an empty heap", r)
		}
	}
}

// Bytes in the middle of a block that look like a part are none.
func TestHasPartWalksTheHeap(t *testing.T) {
	s, err := Create(freshPath(t), Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := newParted(t, s, "a")
	off := addPart(t, a, 1000, 5)
	forged := off - directory.BlockHeaderBytes + 2*directory.LineBytes
	s.dir.Block(forged).Word.Store(2*directory.LineBytes | directory.InUse)
	s.dir.Block(forged).Tag.Store(directory.PartTag(a.index, a.serial, 5))
	for _, c := range []struct {
		off    uint64
		number uint32
		want   bool
	}{{off, 5, true}, {off, 6, false}, {forged + directory.BlockHeaderBytes, 5, false}, {0, 5, false}, {1 << 60, 5, false}} {
		if has, err := a.HasPart(context.Background(), c.off, c.number); err != nil || has != c.want {
			t.Errorf("part %d at %#x: %v, %v, want %v", c.number, c.off, has, err, c.want)
		}
	}
}
