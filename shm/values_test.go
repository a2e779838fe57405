//go:build linux

package shm_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// peer: SEGMENT. It finds the first contents everywhere and puts the second.
var rolePeer = proctest.Register("peer", func(args []string) {
	seg := need(shm.Open(args[0]))
	for _, s := range subjects() {
		err := s.get(seg, 0)
		if err == nil {
			err = s.put(seg, 1)
		}
		if err != nil {
			panic(fmt.Sprintf("%s: %v", s.name, err))
		}
	}
	must(seg.Close())
})

// A46: every width and shape goes there and back, in this process and to another one.
func TestRoundTrip(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 4 << 20, Objects: 128, Processes: 8})
	for _, s := range subjects() {
		for _, n := range []int{1, 0} {
			if err := errors.Join(s.put(seg, n), s.get(seg, n)); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		}
	}
	proctest.Start(t, rolePeer, seg.Path()).WaitOK()
	for _, s := range subjects() {
		if err := s.get(seg, 1); err != nil {
			t.Errorf("%s after the other process: %v", s.name, err)
		}
	}
	if n := len(maps.Collect(seg.Objects())); n != len(subjects()) {
		t.Errorf("there are %d objects of %d", n, len(subjects()))
	}
}

// A46: what was in memory before is not to be seen in a new object.
func TestReusedMemoryIsZero(t *testing.T) {
	seg := newSegment(t, small)
	for round := range 30 { // more than there is room for at once
		func() {
			a := need(shm.NewArray[[1000]uint8](seg, "a", 60))
			wantOK(t, a.Update(background, func(e [][1000]uint8) error {
				for i := range e {
					if e[i] != [1000]uint8{} {
						t.Fatalf("round %d: element %d is not zero", round, i)
					}
					for j := range e[i] {
						e[i][j] = 0xff
					}
				}
				return nil
			}))
			r := need(shm.NewRawArray[uint64](seg, "r", 1000))
			for i, e := range r.All() {
				if e != 0 {
					t.Fatalf("round %d: raw element %d is %x", round, i, e)
				}
				r.Set(i, math.MaxUint64)
			}
			c := need(shm.NewCounter(seg, "c"))
			if c.Sum() != 0 {
				t.Fatalf("round %d: a new Counter has %d", round, c.Sum())
			}
			c.Add(-1)
		}()
		for _, name := range []string{"a", "r", "c"} {
			wantOK(t, seg.RemoveObject(name))
		}
	}
}

func TestLengthsAreExact(t *testing.T) {
	seg := newSegment(t, small)
	for _, n := range []int{0, 1, 3, 15, 16, 17, 1000} {
		name := fmt.Sprint(n)
		if a := need(shm.NewArray[int32](seg, "a"+name, n)); a.Len() != n || len(a.Slice()) != n || cap(a.Slice()) != n {
			t.Errorf("Array of %d: %d, %d, %d", n, a.Len(), len(a.Slice()), cap(a.Slice()))
		}
		if a := need(shm.OpenArray[int32](seg, "a"+name)); a.Len() != n {
			t.Errorf("opened Array of %d: %d", n, a.Len())
		}
		if a := need(shm.NewRawArray[int32](seg, "r"+name, n)); a.Len() != n || len(a.Slice()) != n {
			t.Errorf("RawArray of %d: %d", n, a.Len())
		}
		for _, other := range []int{0, 1, 2, 14, 15, 16, 17, 18, 999, 1000, 1001} {
			if other == n {
				continue
			}
			_, err := shm.NewArray[int32](seg, "a"+name, other)
			wantMismatch(t, err, fmt.Sprintf("it has %d elements, not %d", n, other))
			_, err = shm.NewRawArray[int32](seg, "r"+name, other)
			wantMismatch(t, err, fmt.Sprintf("it has %d elements, not %d", n, other))
		}
	}
}

// An Array without elements is good for its lock.
func TestEmptyArray(t *testing.T) {
	seg := newSegment(t, small)
	a := need(shm.NewArray[odd](seg, "a", 0))
	ran := 0
	f := func(e []odd) error { ran += 1 + len(e); return nil }
	wantOK(t, errors.Join(a.Update(background, f), a.UpdateRange(background, 0, 0, f), a.Read(background, f)))
	for range a.All() {
		ran = -100
	}
	if ran != 3 {
		t.Error(ran)
	}
	if err := a.Set(background, 0, odd{}); err == nil {
		t.Error("set an element that is not there")
	}
	if _, err := a.At(background, 0); err == nil {
		t.Error("read an element that is not there")
	}
}

// Two handles of one object, also by two attachments of one process, are the same object with the
// same lock.
func TestTwoHandles(t *testing.T) {
	seg := newSegment(t, small)
	other := need(shm.FromFile(seg.File()))
	defer other.Close()
	v := need(shm.NewValue[int64](seg, "v", 1))
	for _, w := range []*shm.Value[int64]{need(shm.NewValue[int64](seg, "v", 2)), need(shm.OpenValue[int64](other, "v"))} {
		before := need(v.Load())
		if got := need(w.Load()); got != before || w.Name() != "v" {
			t.Errorf("%q is %d, not %d", w.Name(), got, before)
		}
		var wg sync.WaitGroup
		for _, h := range []*shm.Value[int64]{v, w} {
			wg.Go(func() {
				for range 1000 {
					must(h.Update(background, func(n *int64) error { *n++; return nil }))
				}
			})
		}
		wg.Wait()
		if got := need(v.Load()); got != before+2000 {
			t.Errorf("%d after 2000 increments of %d", got, before)
		}
	}
	if v.Segment().Path() != seg.Path() {
		t.Error(v.Segment().Path())
	}
}
