package mpmc

import (
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// SecondMessage and SecondRoom report whether there are two messages, or rooms, one behind the
// other.
func (r *Ring) SecondMessage() bool {
	p, far := r.next(&r.gets)
	return far >= isFull && r.stageAt(p+1) == isFull
}

func (r *Ring) SecondRoom() bool {
	p, far := r.next(&r.puts)
	return far >= isEmpty && r.stageAt(p+1) == isEmpty
}

func (r *Ring) stageAt(p uint64) stage { return stageOf(r.slot(p).state.Load(), r.lap(p)) }

// Vacant finds out whether there is room, as ClaimPut does, which frees on its way what dead
// processes have left.
//
// Errors: [ring.ErrFull], [ring.ErrHeld] with the living process that has to finish first,
// [ring.ErrClosed], [lock.ErrClosed], [segment.ErrCorrupt].
func (r *Ring) Vacant() (held proctab.Owner, err error) {
	if r.closedForPut() {
		return ring.Nobody, r.whyClosed()
	}
	p := r.puts.from()
	for range r.tries() {
		s := r.slot(p)
		w := s.state.Load()
		switch stage := stageOf(w, r.lap(p)); {
		case stage == isEmpty && ownerOf(w) == ring.Nobody:
			return ring.Nobody, nil
		case isWriting <= stage && stage <= mostPassed: // the position is taken
			p++
		case isWriting-perLap <= stage && stage <= isReading-perLap:
			if held, err := r.occupied(s, w); err != nil {
				return held, err
			}
		default:
			if p, err = r.retryFrom(&r.puts, p); err != nil {
				return ring.Nobody, err
			}
		}
	}
	return ring.Nobody, r.Corrupt()
}

// FrontPlainly reports whether there is a message, as Front finds it at its first step, which is
// what the looks of a Select mostly find. It is not sure when that takes more than one step.
func (r *Ring) FrontPlainly() (ready, sure bool) {
	p := r.gets.from()
	lap := uint64(r.lap(p))
	switch r.slot(p).state.Load() {
	case full | lap:
		return true, true
	case empty | lap:
		return false, !r.Closed() && !r.Closer.Closed()
	}
	return false, false
}
