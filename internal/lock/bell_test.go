//go:build linux

package lock

import (
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
)

// registered skips the test where the membarriers of others do not reach this process.
func registered(t *testing.T) {
	t.Helper()
	if !futex.Register() {
		t.Skip("the kernel has no membarrier")
	}
}

// plainChange is what a change does after its store, and reports whether it rang.
func plainChange(b *bell) bool {
	w := b.look()
	b.ringFrom(w, 1)
	return w&armed != 0
}

// A conversation pays for one membarrier, however long it is, and so do changes that are as often
// in vain as not.
func TestConversationPaysOneMembarrier(t *testing.T) {
	registered(t)
	for _, vain := range []int{0, 1, 5, 63} {
		b, before := new(bell), futex.Counted()
		for range 1000 {
			if _, sure := b.armFenced(); !sure {
				t.Fatal("not sure of a bell that is fenced")
			}
			if !plainChange(b) {
				t.Fatal("a bell that was armed is not rung")
			}
			for range vain {
				if plainChange(b) {
					t.Fatal("a bell is rung twice for one waiter")
				}
			}
		}
		if n := futex.Counted().Since(before).Membarriers; n != 1 {
			t.Errorf("%d changes in vain for each sleep: %d membarriers in 1000 sleeps", vain, n)
		}
	}
}

// After 64 changes that found no waiter a change costs a plain load again, and the next waiter a
// membarrier: of however many changes, one in 64 at most is paid for so.
func TestBellBecomesQuiet(t *testing.T) {
	registered(t)
	for _, vain := range []int{64, 65, 100, 200} {
		b, before := new(bell), futex.Counted()
		const rounds = 50
		for range rounds {
			b.armFenced()
			plainChange(b)
			for i := range vain {
				if quiet := b.isQuiet(); quiet != (i >= 64) {
					t.Fatalf("after %d changes in vain the bell is quiet: %t", i, quiet)
				}
				plainChange(b)
			}
		}
		if n := futex.Counted().Since(before).Membarriers; n != rounds {
			t.Errorf("%d changes in vain for each sleep: %d membarriers in %d rounds", vain, n, rounds)
		}
	}
}

// A bell asks for no fences when all changes are fences themselves.
func TestSwappedBellNeedsNoMembarrier(t *testing.T) {
	b, before := new(bell), futex.Counted()
	for range 1000 {
		b.arm()
		b.ring(1)
	}
	if got := futex.Counted().Since(before); got != (futex.Calls{Wakes: 1000}) {
		t.Errorf("%+v", got)
	}
	if w := b.word.Load(); w&(armed|strict|fenced) != 0 {
		t.Errorf("the word is %#x", w)
	}
}

// A ring that has seen the bell armed, and finds it disarmed by another, has passed a
// compare-and-swap of the word, whether that failed or not: it never returns on a plain load.
func TestRingOfAnOldWord(t *testing.T) {
	b := new(bell)
	b.armFenced()
	old := b.look()
	b.ring(1)
	if w := b.word.Load(); w&armed != 0 {
		t.Fatalf("the word is %#x", w)
	}
	before := futex.Counted()
	b.ringFrom(old, 1)
	if got := futex.Counted().Since(before); got.Wakes != 0 {
		t.Errorf("rang for nobody: %+v", got)
	}
	ticket, _ := b.armFenced()
	if b.ringFrom(old, 1); b.word.Load() == ticket {
		t.Error("a waiter that armed since is not rung for")
	}
}

// Strictness that has ended is not taken for the one that a waiter has asked for.
func TestStrictnessThatEnded(t *testing.T) {
	registered(t)
	b := new(bell)
	b.armFenced()
	plainChange(b)
	for range 63 {
		plainChange(b)
	}
	// what a waiter may see between the two steps of the 64th change
	asked := b.word.Load() + oneUnrung
	plainChange(b)
	b.word.Or(strict)
	if w := b.word.Load(); w>>turnShift == asked>>turnShift || w&(strict|fenced) != strict {
		t.Errorf("the word went from %#x to %#x, which a late waiter takes for the same strictness", asked, w)
	}
}
