package yields

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"github.com/shmkit/shmkit/internal/ring/stream"
	"github.com/shmkit/shmkit/internal/segment"
)

// The sizes of rings, in bytes.
const (
	minRing = 4 << 10
	maxRing = 64 << 10
)

// lengthBytes are the bytes before a value that is not of fixed size, and nilLength is what they
// say of a nil slice.
const (
	lengthBytes = 4
	nilLength   = 1<<32 - 1
)

// ringFor is the size of the ring of a task of a pool with so much memory: a 64th of it, within
// bounds.
func ringFor(memory int) int {
	return min(max(1<<(bits.Len(uint(memory/64))-1), minRing), maxRing)
}

// ErrEnd says that the task has ended, and that all its values were taken. No context has it as its
// cause.
var ErrEnd = errors.New("yields: no more values")

// errWait says that a look has found nothing.
var errWait = errors.New("yields: not yet")

var errCorrupt = fmt.Errorf("%w: the words of the ring of its values contradict each other", segment.ErrCorrupt)

// shared are the streams of this process to workers that are goroutines of it, by their words: both
// ends share one view, which tells the race detector what comes before what.
var shared sync.Map

// split finds the ring and the argument in a block.
//
// Errors: [segment.ErrCorrupt].
func split(block []byte) (h *head, ring, arg []byte, err error) {
	if len(block) < headBytes+minRing {
		return nil, nil, nil, fmt.Errorf("%w: an argument of %d bytes has no ring of values", segment.ErrCorrupt, len(block))
	}
	h = headIn(block)
	n := h.size
	if n < minRing || n > maxRing || n&(n-1) != 0 || n > uint64(len(block)-headBytes) {
		return nil, nil, nil, fmt.Errorf("%w: a ring of values of %d bytes in an argument of %d", segment.ErrCorrupt, n, len(block))
	}
	if arg = block[headBytes+n:]; h.isNil != 0 {
		arg = nil
	}
	return h, block[headBytes : headBytes+n : headBytes+n], arg, nil
}

// bind views the ring in a block of the segment of o.
func bind(o *segment.Object, h *head, ring []byte) *stream.Stream {
	s := &stream.Stream{}
	s.Bind(o, &h.words, &h.events, ring)
	return s
}
