package mpmc

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// newRing makes a ring of numbers.
func newRing(t *testing.T, capacity uint64) *Ring {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{Size: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return ringIn(t, seg, capacity)
}

// put and get are a whole put, and a whole get.
func (r *Ring) put(v uint64) error {
	s, p, _, err := r.ClaimPut()
	if err == nil {
		*Value[uint64](s) = v
		r.Publish(s, p)
	}
	return err
}

func (r *Ring) get() (v uint64, err error) {
	s, p, _, err := r.ClaimGet()
	if err == nil {
		v = *Value[uint64](s)
		err = r.Release(s, p)
	}
	return v, err
}

func mustPut(t *testing.T, r *Ring, v uint64) {
	t.Helper()
	if err := r.put(v); err != nil {
		t.Fatal(err)
	}
}

func mustGet(t *testing.T, r *Ring, want uint64) {
	t.Helper()
	if v, err := r.get(); err != nil || v != want {
		t.Fatalf("got %d, %v, not %d", v, err, want)
	}
}

// moveHints sets the hints of a queue, and lets this process forget what it has seen, like one that
// has just opened it.
func moveHints(r *Ring, put, get uint64) {
	r.head.put.Store(put)
	r.head.get.Store(get)
	r.puts.seen.Store(0)
	r.gets.seen.Store(0)
}

// A process that has just opened a queue finds its ends wherever the hints are between three laps
// ago and now.
func TestHintsBehind(t *testing.T) {
	for _, capacity := range []uint64{1, 2, 8, 16} {
		for behind := range 3*capacity + 1 {
			t.Run(fmt.Sprintf("capacity=%d/behind=%d", capacity, behind), func(t *testing.T) {
				r := newRing(t, capacity)
				turns := 4 * capacity
				for n := range turns {
					mustPut(t, r, n)
					mustGet(t, r, n)
				}
				moveHints(r, turns-behind, turns-behind)
				if put, got := r.Counts(); put != turns || got != turns {
					t.Errorf("put %d, got %d", put, got)
				}
				if _, err := r.get(); err != ring.ErrEmpty {
					t.Errorf("get: %v", err)
				}
				for n := range capacity {
					mustPut(t, r, n)
				}
				moveHints(r, turns+capacity-behind, turns-behind)
				if err := r.put(9); err != ring.ErrFull {
					t.Errorf("put: %v", err)
				}
				if put, got := r.Counts(); put-got != capacity {
					t.Errorf("length %d", put-got)
				}
				for n := range capacity {
					mustGet(t, r, n)
				}
			})
		}
	}
}

// A hint that is ahead, or many laps behind, was not written by the queue. It is an error, which
// loses nothing.
func TestHintsOfNoRing(t *testing.T) {
	const capacity, turns = 4, 10 * 4
	r := newRing(t, capacity)
	for n := range uint64(turns) {
		mustPut(t, r, n)
		mustGet(t, r, n)
	}
	mustPut(t, r, turns)
	for _, hint := range []uint64{turns - 5*capacity, turns + 2*capacity, 0, 1 << 40} {
		moveHints(r, hint, hint)
		if err := r.put(1); !errors.Is(err, segment.ErrCorrupt) {
			t.Errorf("hint %d: put: %v", hint, err)
		}
		if _, err := r.get(); !errors.Is(err, segment.ErrCorrupt) {
			t.Errorf("hint %d: get: %v", hint, err)
		}
	}
	moveHints(r, turns, turns)
	mustGet(t, r, turns)
}

// Hints are moved on at every eighth position, and not back by a process that is late.
func TestHintsMove(t *testing.T) {
	r := newRing(t, 64)
	for n := range uint64(200) {
		mustPut(t, r, n)
		mustGet(t, r, n)
		if want := (n + 1) / 8 * 8; r.head.put.Load() != want || r.head.get.Load() != want {
			t.Fatalf("after %d messages: hints %d and %d, not %d", n+1, r.head.put.Load(), r.head.get.Load(), want)
		}
	}
	r.puts.pass(15)
	r.gets.pass(15)
	if put, get := r.head.put.Load(), r.head.get.Load(); put != 200 || get != 200 {
		t.Errorf("hints moved back to %d and %d", put, get)
	}
	mustPut(t, r, 200)
	mustGet(t, r, 200)
}
