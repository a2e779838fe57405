package directory

import "sync/atomic"

// A reach bounds the part of the heap that this process looks at. Close cuts off the address space
// behind it, and no goroutine that is late may touch what was there: every look at the heap first
// asks the reach how far it may go.
type reach struct {
	bound   atomic.Uint64 // no look goes beyond it: the segment's size, until Close
	highest atomic.Uint64 // up to where looks have gone
}

// within returns the end of a look at the heap up to end.
//
// SYNC: reach: a look is noted in highest before it reads bound. Either cut sees it, or it sees
// that there is a cut.
func (r *reach) within(end uint64) uint64 {
	for h := r.highest.Load(); h < end && !r.highest.CompareAndSwap(h, end); h = r.highest.Load() {
	}
	return min(end, r.bound.Load())
}

// cut keeps all later looks within what was looked at before, which ends at the offset that it
// returns.
func (r *reach) cut() uint64 {
	r.bound.Store(0)
	end := r.highest.Load()
	r.bound.Store(end)
	return end
}
