package lock

import (
	"math"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// A bell is a word that goroutines of all processes sleep on until what they look at
// may have changed, and that costs a change one plain load while the bell is quiet.
//
//	bit 0       armed: a waiter may sleep on the word
//	bit 1       strict: a change that finds no waiter armed fences, and looks again
//	bit 2       fenced: since the bell became strict, a membarrier has completed
//	bits 3..8   unrung: how many changes in a row found the bell strict and not armed
//	bits 9..31  turn: moves on with each arming, ring and end of strictness
//
// # What is ordered by what
//
// A change stores, and then loads the bell. A waiter arms the bell, and then loads what it waits
// for: the second look. One of the two loads must see the other side's store, or the waiter sleeps
// for ever. There are two kinds of bells.
//
// Of a swapped bell every change is an atomic read-modify-write, or a sequentially consistent
// store, of any word: event.go, barrier.go, semaphore.go, waitgroup.go, the seats of cond.go and
// rwmutex.go. It needs nothing else.
//
//	access               order                     pairs with                without it
//	the change           locked; on arm64 a store- arm and the second look   the look at the bell comes before the
//	                     release (also CASAL,                                change: both sides miss each other
//	                     STLXR), before the LDAR
//	                     that looks at the bell
//	look at the bell     atomic load (LDAR)        arm                       the same
//	arm                  compare-and-swap          the look at the bell      the second look comes before the arming
//	second look          atomic load (LDAR)        the change                the same: see BROKEN_LOOK_EARLY in sleep.pml
//
// Of a plain bell a change may be a mere release store, for a locked instruction would be most of
// what it costs: the unlock of a [Mutex], what the rings of the package queue publish. On amd64 the
// look at the bell can overtake that store.
//
//	access               order                     pairs with                without it
//	the change           release store (MOV, STLR) the second look           the waiter sees the change before what it tells of
//	look, not strict     atomic load; its order    membarrier of the first   a change is still on its way when the second look
//	                     after the change comes    waiter, between strict    comes, and its look at the bell was before
//	                     from the membarrier       and fenced                (BROKEN_NO_MEMBARRIER)
//	look, strict         read-modify-write of the  arm, of the same word:    the same (BROKEN_NO_FENCE): waiters issue no
//	                     bell, if not armed        the earlier one of the    membarrier any more
//	                                               two is seen by the other
//	ring                 compare-and-swap, from    arm                       the bell was armed, and another change has
//	                     the word that was seen                              disarmed it: the same (BROKEN_RING_NO_FENCE)
//	strict               read-modify-write         look, before the barrier  a change after the barrier is plain
//	fenced               compare-and-swap, after   arm of later waiters      they trust changes that are still plain
//	                     the membarrier, while the                           (BROKEN_FENCED_EARLY, BROKEN_RELAX_KEEPS_TURN)
//	                     turn is that of strict
//	arm                  compare-and-swap of a     look, strict              strictness may have ended since the look at it
//	                     word that is fenced                                 (BROKEN_ARM_RELAXED)
//	second look          atomic load, after arm    the change                sees what was before arm (BROKEN_LOOK_EARLY)
//	relax                compare-and-swap of the   arm, fenced               a waiter that sleeps, or that has just found the
//	                     word that was not armed                             bell fenced, is not rung for (BROKEN_RELAX_STORE)
//	disarm               compare-and-swap of the   arm                       a waiter that armed after the ring is not rung
//	                     word that the ring made                             for (BROKEN_DISARM_STORE)
//
// On arm64 STLR and LDAR stay in order by themselves, so that there the membarrier orders nothing
// that is not ordered already; a failed CASAL is no release, but its load is an acquire, and comes
// after an earlier STLR. It is issued all the same: one protocol is proven for both.
//
// Where the kernel refuses membarriers, no change is ever plain: each process fences its own, see
// look. As a waiter cannot know that of the others, it lets half a millisecond pass in place of the
// membarrier, longer than any store is on its way.
//
// # What it costs
//
// The first waiter makes the bell strict and issues a membarrier on behalf of all processes, before
// it arms. A waiter that arms later finds the bell fenced and issues none. The bell stays so for as
// long as waiters come: a conversation costs each change one locked instruction or a ring. After 64
// changes in a row that found no waiter, it becomes quiet, and the next waiter issues a membarrier
// again. So of 64 changes at most one is paid for with a membarrier, whatever the processes do.
//
// # Deaths
//
// Every ticket is unique, up to the wrapping of the turn. So when a ring finds fewer sleepers than
// it would wake, it can disarm the bell with a compare-and-swap of the word that it made itself.
// Thus the bell is armed whenever a waiter sleeps, and a process that dies at any point leaves at
// worst a bell armed for no waiter, which costs the next change one system call, or a strict one
// that no membarrier has followed, which costs each change a locked instruction until the next
// waiter comes.
type bell struct {
	word atomic.Uint32
}

const (
	armed  = 1 << 0
	strict = 1 << 1
	fenced = 1 << 2

	oneUnrung = 1 << 3
	unrung    = 63 * oneUnrung
	turnShift = 9
	turn      = 1 << turnShift

	// maxFences is how often a waiter asks for fences before it arms a bell that is not fenced:
	// once is wokenByUnlock, unless changes end the strictness at that moment.
	maxFences = 3
)

// AllSleepers is a number of sleepers that is never reached: it wakes all of them.
const AllSleepers = math.MaxInt32

// isQuiet reports that no waiter sleeps and no fence is asked for, which is all that a plain change
// has to know in a process that the membarriers of others reach.
func (b *bell) isQuiet() bool {
	// SYNC: bell: the change is visible before this load, or the waiter's membarrier comes after
	// the change.
	return b.word.Load()&(armed|strict) == 0
}

// isArmed reports whether a waiter may sleep, after a change that was a fence itself.
func (b *bell) isArmed() bool { return b.word.Load()&armed != 0 }

// look returns the word for [bell.ringFrom] after a plain change, which it fences as the bell asks.
func (b *bell) look() uint32 {
	w := b.word.Load()
	switch {
	case w&armed != 0 || w&strict == 0 && futex.Registered():
		return w
	case w&fenced == 0:
		// a fence; while a waiter asks for them, or no membarrier reaches this process yet
		return b.word.Add(0)
	}
	return b.countUnrung()
}

// lookSwapped is look after a change that was a fence itself.
func (b *bell) lookSwapped() uint32 {
	if w := b.word.Load(); w&(armed|fenced) != fenced {
		return w
	}
	return b.countUnrung()
}

// countUnrung counts a change that found the bell fenced and not armed, which is a fence, too.
// After 64 of them in a row the bell becomes quiet.
func (b *bell) countUnrung() uint32 {
	w := b.word.Add(oneUnrung) // the 64th carries into the turn
	if w&(unrung|fenced|armed) == fenced {
		// The turn moves on so that no waiter takes the next strictness for this one.
		b.word.CompareAndSwap(w, (w+turn)&^(strict|fenced))
		crashpoint.Here("bell.relaxed")
	}
	return w
}

// arm announces a sleeper and returns its ticket. The caller then looks again at what it waits
// for, and only then sleeps on the word while it is the ticket.
//
// Preconditions: every change is a fence itself.
func (b *bell) arm() (ticket uint32) {
	for ok := false; !ok; {
		ticket, ok = b.armAt(b.word.Load())
	}
	return ticket
}

// armAt arms the bell if its word is w.
func (b *bell) armAt(w uint32) (ticket uint32, ok bool) {
	ticket = (w+turn)&^unrung | armed
	if !b.word.CompareAndSwap(w, ticket) {
		return 0, false
	}
	crashpoint.Here("bell.armed")
	return ticket, true
}

// armFenced is arm where changes may be plain stores. It reports false when one of the next moment
// can slip through, because changes have ended the strictness each time that it asked for it.
func (b *bell) armFenced() (ticket uint32, sure bool) {
	for asked := 0; ; {
		w := b.word.Load()
		if w&fenced == 0 && asked < maxFences {
			b.fence()
			asked++
			continue
		}
		if ticket, ok := b.armAt(w); ok {
			return ticket, w&fenced != 0
		}
	}
}

// fence makes the bell strict, and fenced if it still is strict when all changes are known to obey.
// A sleeper on several bells asks all of them, and issues one membarrier before it confirms.
func (b *bell) fence() {
	asked := b.ask()
	futex.MembarrierOrPause()
	b.confirm(asked)
}

// ask makes the bell strict, and returns its word, which is not 0, for confirm.
func (b *bell) ask() (asked uint32) {
	asked = b.word.Or(strict) | strict
	crashpoint.Here("bell.strict")
	return asked
}

// confirm makes the bell fenced, if it still is strict as ask has left it.
//
// Preconditions: a membarrier has completed since ask.
func (b *bell) confirm(asked uint32) {
	// SYNC: bell: a change that looks at the bell from now on sees it strict, or what comes after
	// that.
	for w := b.word.Load(); w&(strict|fenced) == strict && w>>turnShift == asked>>turnShift; w = b.word.Load() {
		if b.word.CompareAndSwap(w, w|fenced) {
			crashpoint.Here("bell.fenced")
		}
	}
}

// isFenced reports whether changes obey already.
func (b *bell) isFenced() bool { return b.word.Load()&fenced != 0 }

// armNow is arm, and reports whether the bell was fenced when it was armed.
func (b *bell) armNow() (ticket uint32, isFenced bool) {
	for {
		w := b.word.Load()
		if ticket, ok := b.armAt(w); ok {
			return ticket, w&fenced != 0
		}
	}
}

// ring wakes at most n sleepers, if the bell is armed, after a change that was a fence itself.
func (b *bell) ring(n int) { b.ringFrom(b.word.Load(), n) }

// ringFrom wakes at most n sleepers, if the bell is armed. The word w is what a look at it has
// returned. When that is out of date, the compare-and-swap that fails is the fence between the
// change and the next look.
func (b *bell) ringFrom(w uint32, n int) {
	for ; w&armed != 0; w = b.word.Load() {
		rung := (w + turn) &^ unrung
		if !b.word.CompareAndSwap(w, rung) {
			continue
		}
		crashpoint.Here("bell.rung")
		if futex.Wake(b.futex(), n) < n { // no waiter sleeps any more
			b.word.CompareAndSwap(rung, rung&^armed)
			crashpoint.Here("bell.disarmed")
		}
		return
	}
}

// futex is the word for the kernel.
func (b *bell) futex() *uint32 { return address(&b.word) }
