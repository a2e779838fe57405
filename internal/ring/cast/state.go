package cast

import (
	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// The state of a cell. A compare-and-swap of the whole word meets the subscription that it means
// and no other, which has another turn.
//
//	bits  0..29  owner of the reader, also when it was expelled
//	bits 30..31  phase
//	bits 32..63  turn: how many readers had the cell before; it wraps
//
//	#  phase     meaning                                   next
//	0  free      no reader                                 a subscriber claims it -> 1, turn+1
//	1  joining   a subscriber sets the cursor              it is through -> 2; it is dead: claimed -> 1, turn+1
//	2  live      writers wait for its cursor               it leaves -> 0; it is dead: a writer -> 0, claimed -> 1,
//	                                                       turn+1; it is overdue -> 3
//	3  expelled  writers do not wait for it; it is told    it leaves -> 0; it is dead: claimed -> 1, turn+1
const (
	free uint64 = iota << 30
	joining
	live
	expelled

	phaseMask = 3 << 30
	oneTurn   = 1 << 32
)

func stateOf(o proctab.Owner, phase, turn uint64) uint64 { return uint64(o) | phase | turn }
func ownerOf(state uint64) proctab.Owner                 { return proctab.Owner(state & proctab.OwnerMask) }
func turnOf(state uint64) uint64                         { return state &^ (oneTurn - 1) }

// The word of a writer without room: which cell it waits for, and how far that has to come.
//
//	bits  0..10  number of the cell, from 1
//	bits 11..63  low bits of the position
const (
	awaitedCell  = 1<<awaitedShift - 1
	awaitedShift = 11
)

func awaitedWord(cell int, want uint64) uint64 { return want<<awaitedShift | uint64(cell+1) }

// bury frees the cell of a dead reader, or does nothing when its state is another by now.
func (r *Ring) bury(i int, state uint64) {
	r.states[i].CompareAndSwap(state, stateOf(ring.Nobody, free, turnOf(state))) // #2 -> #0
	crashpoint.Here("cast.buried")
}

// expel ends the subscription of a reader that writers do not wait for any longer, or does nothing
// when its state is another by now.
func (r *Ring) expel(i int, state uint64) {
	if !r.states[i].CompareAndSwap(state, state&^phaseMask|expelled) { // #2 -> #3
		return
	}
	// SYNC: expelled: a reader that has copied any of what is written from here on sees its state.
	cpu.StoreFence()
	crashpoint.Here("cast.expelled")
	r.head.expelled.Add(1)
	r.News.Event.NotifyAll()
}

// A Subscription is what is known about one reader.
type Subscription struct {
	Owner    proctab.Owner
	Lag      uint64 // messages that it has not read
	Expelled bool
}

// Subscriptions calls yield with each reader of a living process.
func (r *Ring) Subscriptions(yield func(Subscription) bool) {
	for i := range r.used() {
		state := r.states[i].Load()
		phase := state & phaseMask
		if phase != live && phase != expelled || r.OwnerDead(ownerOf(state)) {
			continue
		}
		s := Subscription{Owner: ownerOf(state), Expelled: phase == expelled}
		if phase == live {
			s.Lag = r.lag(r.cells[i].cursor.Load())
		}
		if !yield(s) {
			return
		}
	}
}

// used is how many cells were ever used.
func (r *Ring) used() int { return min(int(r.head.high.Load()), len(r.states)) }

// lag is how many messages are published and lie behind a position, which may be garbage.
func (r *Ring) lag(p uint64) uint64 {
	n := r.head.tail.Load() - p
	if int64(n) <= 0 || n > r.Capacity() {
		return 0
	}
	if r.longest == 0 {
		return n
	}
	number, ok := r.numberAt(p)
	if lag := r.published() - number; ok && lag <= n/recordAlign {
		return lag
	}
	return 1
}

// subscribed is how many readers of living processes there are that writers wait for.
func (r *Ring) subscribed() (n int) {
	for s := range r.Subscriptions {
		if !s.Expelled {
			n++
		}
	}
	return n
}
