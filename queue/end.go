package queue

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
)

// An end is where the next put, or get, of a ring begins to search. Slots say what is true: a position is passed when its slot has
// reached a stage. From any position before which all are passed, the first that is not is found by looking at one slot after the
// other.
//
// The hint in shared memory is moved on only at every few positions, by whoever passes one of them: it is a locked instruction,
// which waits until all stores before it have reached memory. In between, each process goes by what it has seen itself.
type end struct {
	_      [128]byte // nothing else that is written is near
	hint   *atomic.Uint64
	every  uint64        // the hint is moved on where position&every is every; a power of two, less 1
	passed stage         // what the slot of a position that is passed has reached, at least
	seen   atomic.Uint64 // a position that this process has come to; 0: none
	_      [128]byte
}

// hintEvery is how many positions the hint may be behind, but for those whose process died, or is stopped, just when it should move it
// on.
const hintEvery = 8

// from is a position to search from: the hint, or where this process has been later.
func (e *end) from() uint64 {
	p, seen := e.hint.Load(), e.seen.Load()
	if seen != 0 && int64(seen-p) > 0 { // positions may wrap
		p = seen
	}
	return p
}

// pass notes that position p is passed, as all before it are.
func (e *end) pass(p uint64) {
	ring.StoreRelease(&e.seen, p+1)
	if p&e.every == e.every {
		e.tell(p + 1)
	}
}

// tell moves the hint on to p. It never moves back, as that could take it a lap away. When somebody else moves it at the same time,
// that is enough.
func (e *end) tell(p uint64) {
	if h := e.hint.Load(); int64(p-h) > 0 {
		e.hint.CompareAndSwap(h, p)
		crashpoint.Here("queue.hinted")
	}
}

// mostLaps is how many laps a hint may be behind: more than enough for the deaths of several processes in a row which were just about
// to move it on. Beyond that, words make no sense.
const (
	mostLaps   = 4
	mostPassed = isEmpty + mostLaps*perLap
)

// next is the first position that is not passed, as far as one can tell while others go on, and how far its slot is.
func (r *mpmcRing) next(e *end) (p uint64, far stage) {
	p = e.from()
	for range mostLaps * r.capacity() {
		if far = stageOf(r.slot(p).state.Load(), r.lap(p)); far < e.passed || far > mostPassed {
			break
		}
		p++
	}
	return p, far
}

// again is where to search when the slot of position p made no sense: the words may have changed since p was read.
func (r *mpmcRing) again(e *end, p uint64) (uint64, error) {
	if now := e.from(); int64(now-p) > 0 {
		return now, nil
	}
	return p, r.corrupt()
}
