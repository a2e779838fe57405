package mpmc

import (
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A get that lost its processor between its look and its claim, for as long as a close of the
// segment looks for claims, has the message if its claim has met the ring, and only then.
func TestClaimInTheMiddleOfClose(t *testing.T) {
	// the process keeps a copy of the small ring, and none of the large one
	for _, capacity := range []uint64{4, 1 << 14} {
		path := proctest.Dir(t) + "/segment"
		stays, err := shm.Create(path, shm.Options{Size: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer stays.Close()
		there := ringIn(t, stays, capacity)
		leaving, err := shm.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r := ringIn(t, leaving, capacity)
		for v := uint64(1); v <= 3; v++ {
			mustPut(t, there, v)
		}
		kept, err := r.get()
		if err != nil || kept != 1 {
			t.Fatal(kept, err)
		}
		var s *Slot
		var p uint64
		during(t, leaving, func() { // the close has looked for claims of the ring
			if s, p, _, err = r.claimFront(); err != nil {
				t.Fatal(err)
			}
		})
		if err := leaving.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.Release(s, p); err == nil {
			t.Error("the slot was released")
		}
		own := r.Landed(p)
		if own == nil || *Value[uint64](own) != 2 {
			t.Errorf("capacity %d: the message that was claimed is lost: %v", capacity, own)
		}
		if r.Landed(p) != nil {
			t.Error("a message is there twice")
		}
		if _, p, _, err := r.claimFront(); err == nil && r.Landed(p) != nil {
			t.Error("a claim in memory of the process alone counts")
		}
		if v, err := there.get(); v != 3 || err != nil {
			t.Errorf("the next message is %d, error %v", v, err)
		}
		if _, err := there.get(); err != ring.ErrEmpty {
			t.Error(err)
		}
	}
}

// ringIn is the ring of a segment, made by the first.
func ringIn(t *testing.T, seg *shm.Segment, capacity uint64) *Ring {
	t.Helper()
	o, _, err := segment.Of(seg).New(segment.Spec{
		Name: "q", Kind: segment.KindQueue, Size: Layout(8).Size(capacity, 0),
		Init: func(mem []byte) { Init(mem, 8, capacity, false, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := View(o, 8)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// during has the close of a segment call f once while it looks for what its process holds.
func during(t *testing.T, seg *shm.Segment, f func()) {
	t.Helper()
	o, _, err := segment.Of(seg).New(segment.Spec{Name: "looked at", Kind: segment.KindValue, Size: 8})
	if err != nil {
		t.Fatal(err)
	}
	called := false
	o.Local(func() (any, func() bool) {
		return o, func() bool {
			if !called {
				called = true
				f()
			}
			return false
		}
	})
	t.Cleanup(func() { runtime.KeepAlive(o) })
}
