package segment

import (
	"context"
	"math"
	"runtime"
)

// Check walks the whole segment under its lock and compares everything that is
// derived with the truth. It first frees removed objects that no process uses any more.
//
// Errors: [ErrCorrupt] with the first thing that is wrong; a leaked byte, too. [lock.ErrClosed].
func (s *Segment) Check() (r Report, err error) { return s.CheckContext(context.Background()) }

// CheckContext is [Segment.Check] that waits for the directory until ctx ends.
func (s *Segment) CheckContext(ctx context.Context) (r Report, err error) {
	err = s.lockedUnder(ctx, func() error {
		if err := s.reclaimRetired(math.MaxUint32); err != nil {
			return err
		}
		return s.check(&r)
	})
	runtime.KeepAlive(s)
	return r, err
}

// Names calls yield with the name of every object, until it reports false. Objects
// that come or go meanwhile may be missed.
func (s *Segment) Names(yield func(name string, kind Kind) bool) {
	for i := range s.usedEntries() {
		state := s.entry(i).state.Load()
		if state&stateMask != stateLive {
			continue
		}
		o, err := s.view(i, state>>serialShift)
		if err == nil && s.entry(i).state.Load() == state && !yield(o.Name, o.Kind) {
			break
		}
	}
	runtime.KeepAlive(s)
}
