package lock

import (
	"math"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// A bell is a word that goroutines of all processes sleep on until what they look at
// may have changed, and that costs whoever changes it one plain load while nobody sleeps.
//
//	bit 0       armed: somebody may sleep on the word
//	bit 1       fenced: since it was armed, a membarrier has completed
//	bits 2..31  turn: moves on whenever somebody arms or rings
//
// A sleeper arms the bell, issues a membarrier on behalf of everybody, looks again, and
// sleeps while the word is its ticket. So whoever makes a change needs no fence between
// the change and the look at the bell: if its look came too early to see the bell armed, then
// its change came before the membarrier, and the sleeper's second look sees it.
//
// Every ticket is unique. So when a ring finds fewer sleepers than it would wake, it can
// disarm the bell with a compare-and-swap of the word that it made itself: whoever sleeps after the ring armed
// after it, and the swap fails. Thus the bell is armed whenever somebody sleeps, and a
// process that dies at any point leaves at worst a bell armed for nobody, which costs the next change one system call.
type bell struct {
	word atomic.Uint32
}

const (
	armed  = 1 << 0
	fenced = 1 << 1
	turn   = 1 << 2
)

// everybody is a number of sleepers that there never are.
const everybody = math.MaxInt32

// isArmed reports whether somebody may sleep, after the caller has made its change
// with a release store or an atomic operation.
func (b *bell) isArmed() bool {
	if futex.Registered() {
		return b.seemsArmed()
	}
	return b.word.Add(0)&armed != 0 // no membarrier reaches this process yet: a full fence and a load
}

// seemsArmed is isArmed for a process that the membarriers of others reach.
func (b *bell) seemsArmed() bool {
	// SYNC: bell: the change is visible before this load, or the sleeper's membarrier comes after the change.
	return b.word.Load()&armed != 0
}

// arm announces a sleeper and returns its ticket. The caller then looks again at what it waits
// for, and only then sleeps on the word while it is the ticket. It reports false when changes of the
// next moment can slip through, because the kernel refuses membarriers.
func (b *bell) arm() (ticket uint32, sure bool) {
	for {
		w := b.word.Load()
		ticket = (w + turn) | armed
		if b.word.CompareAndSwap(w, ticket) {
			break
		}
	}
	crashpoint.Here("bell.armed")
	if ticket&fenced != 0 {
		return ticket, true // whoever has not seen the bell armed had made its change before this call
	}
	if !futex.Membarrier() {
		return ticket, false
	}
	// SYNC: bell: whoever looks at the bell after its change from now on sees it armed.
	if b.word.CompareAndSwap(ticket, ticket|fenced) {
		crashpoint.Here("bell.fenced")
		return ticket | fenced, true
	}
	return ticket, true // not valid any more: the sleep will not begin
}

// ring wakes at most n sleepers, if the bell is armed.
func (b *bell) ring(n int) {
	w := b.word.Load()
	for ; w&armed != 0; w = b.word.Load() {
		rung := w + turn
		if !b.word.CompareAndSwap(w, rung) {
			continue
		}
		crashpoint.Here("bell.rung")
		if futex.Wake(b.futex(), n) < n { // nobody sleeps any more
			b.word.CompareAndSwap(rung, rung&^(armed|fenced))
			crashpoint.Here("bell.disarmed")
		}
		return
	}
}

// futex is the word for the kernel.
func (b *bell) futex() *uint32 { return address(&b.word) }
