package segment

import (
	"context"
	"math"
	"runtime"

	"github.com/shmkit/shmkit/internal/directory"
)

// Check walks the whole segment under its lock and compares everything that is
// derived with the truth. It first frees removed objects that no process uses any more.
//
// Errors: [ErrCorrupt] with the first thing that is wrong; a leaked byte, too. [lock.ErrClosed].
func (s *Segment) Check() (r directory.Report, err error) {
	return s.CheckContext(context.Background())
}

// CheckContext is [Segment.Check] that waits for the directory until ctx ends.
func (s *Segment) CheckContext(ctx context.Context) (r directory.Report, err error) {
	err = s.lockedUnder(ctx, func() error {
		if err := s.dir.Reclaim(math.MaxUint32); err != nil {
			return err
		}
		return s.dir.Check(&r)
	})
	runtime.KeepAlive(s)
	return r, err
}

// Names calls yield with the name of every object, until it reports false. Objects
// that come or go meanwhile may be missed.
func (s *Segment) Names(yield func(name string, kind Kind) bool) {
	for i := range s.dir.UsedEntries() {
		state := s.dir.Entry(i).State.Load()
		if state&directory.StateMask != directory.StateLive {
			continue
		}
		o, err := s.view(i, state>>directory.SerialShift)
		if err == nil && s.dir.Entry(i).State.Load() == state && !yield(o.Name, o.Kind) {
			break
		}
	}
	runtime.KeepAlive(s)
}
