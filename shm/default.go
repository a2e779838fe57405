package shm

import "sync"

// The segment of this process that Default has made.
var (
	defaultMu      sync.Mutex
	defaultSegment *Segment
)

// Default returns this process's own anonymous segment, of the default size. The first call makes
// it, and so does the first after it was closed. It is the place for objects without a name, which
// other processes get by their handles:
//
//	seg, err := shm.Default()
//	…
//	total, err := shm.NewValue(seg, "", 0.0)
//
// Each process has a segment of its own: in a process that this one has started, Default does not
// return the segment that handles of this one lead to. The segment ends with the last process that
// has it. Make a larger one with [Anonymous].
//
// Errors: those of [Anonymous].
func Default() (*Segment, error) {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	if defaultSegment == nil || defaultSegment.s.Closed() {
		seg, err := Anonymous(Options{})
		if err != nil {
			return nil, err
		}
		defaultSegment = seg
	}
	return defaultSegment, nil
}
