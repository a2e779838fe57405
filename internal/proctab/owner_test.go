//go:build linux

package proctab

import (
	"testing"

	"pgregory.net/rapid"
)

func TestOwnerIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slot := rapid.IntRange(0, MaxSlots-1).Draw(t, "slot")
		word := rapid.Uint64().Draw(t, "word") // whatever a slot may hold
		tid := rapid.Uint32Range(1, tidMask).Draw(t, "tid")

		next := claimed(word, tid)
		o := ownerOf(slot, nextEpoch(epochOf(word)))
		if o == 0 || o > OwnerMask || o == OwnerMask || o.epoch() == 0 || o.epoch() == epochMask {
			t.Fatalf("slot %d after word %#x: id %#x", slot, word, o)
		}
		if o.Slot() != slot || o.epoch() != epochOf(next) || ownerOf(o.Slot(), o.epoch()) != o {
			t.Fatalf("id %#x is of slot %d, epoch %d", o, o.Slot(), o.epoch())
		}
		if o == ownerOf(slot, epochOf(word)) {
			t.Fatalf("the id does not move on: %#x", o)
		}
		if !alive(next) || next&byteLocked != 0 || uint32(next&tidMask) != tid || next&waitersBit == 0 {
			t.Fatalf("claimed as %#x", next)
		}
		if died := next&^tidMask | ownerDied; alive(died) || epochOf(died) != o.epoch() {
			t.Fatalf("died as %#x", died)
		}
		if left := freed(o.epoch()); alive(left) || left&livenessMask != 0 || epochOf(left) != o.epoch() {
			t.Fatalf("freed as %#x", left)
		}
	})
}

// All ids of a slot, in the order in which they are given.
func TestEpochsComeRoundWithoutTheReservedOnes(t *testing.T) {
	seen := make([]bool, epochMask+1)
	for e, n := uint32(0), 0; ; n++ {
		e = nextEpoch(e)
		if seen[e] {
			if n != epochMask-1 || e != 1 {
				t.Errorf("epoch %d comes again after %d", e, n)
			}
			break
		}
		seen[e] = true
	}
	if seen[0] || seen[epochMask] {
		t.Error("a reserved epoch is given")
	}
}

// The slot's epoch is about to wrap: ids stay apart, and the least used slot is the one that
// wrapped.
func TestAttachAcrossTheWrap(t *testing.T) {
	f, _ := openTable(t, 1)
	f.slots[0].word.Store(freed(epochMask - 2))
	var last Owner
	for i, want := range []uint32{epochMask - 1, 1, 2} {
		m, crashed, err := f.Attach()
		if err != nil || crashed || m.ID().epoch() != want {
			t.Fatalf("attachment %d: epoch %d, want %d; crashed %t, %v", i, m.ID().epoch(), want, crashed, err)
		}
		if f.Dead(m.ID()) || last != 0 && !f.Dead(last) {
			t.Errorf("attachment %d: dead %t", i, f.Dead(m.ID()))
		}
		last = m.ID()
		m.Detach()
	}
}
