package shm

import (
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
)

// A Counter is a sum in shared memory that scales: each attached process adds to a cache line of
// its own, so that adding costs the same whatever the others do. What a process has counted stays
// counted when it ends, however it ends.
//
// Goroutines and processes may use a Counter at once. It must not be copied. After
// Close its methods still work, but for this process alone.
type Counter struct {
	atomicObject
	mine  *counterCell  // of this process; nil: it only reads
	cells []counterCell // in the segment, one per slot of the process table
}

// counterCell is one process's part of the sum. A process that comes to a slot goes on
// with what its predecessor has left there.
type counterCell struct {
	sum atomic.Int64
	_   [counterCellBytes - 8]byte
}

const (
	counterCellBytes = 64
	counterFormat    = "<q"
)

// NewCounter finds the Counter of that name, or makes it, zero. It takes 64 bytes
// for each process that the segment has room for.
//
// Errors: those of [NewValue].
func NewCounter(seg *Segment, name string) (*Counter, error) {
	c := new(Counter)
	size := int64(segment.Of(seg).Table().Len()) * counterCellBytes
	return checked(c, find(c, seg, segment.Spec{Name: name, Kind: segment.KindCounter, Type: counterFormat, Size: size}))
}

// OpenCounter finds the Counter of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenCounter(seg *Segment, name string) (*Counter, error) {
	c := new(Counter)
	return checked(c, open(c, seg, segment.Spec{Name: name, Kind: segment.KindCounter, Type: counterFormat, Size: segment.AnySize}))
}

// UnmarshalBinary makes c a handle of the Counter that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenCounter] and [Open].
func (c *Counter) UnmarshalBinary(b []byte) error {
	return unmarshal(c, b, segment.KindCounter, counterFormat)
}

func (c *Counter) bind(o *segment.Object) error {
	slots := o.Seg.Table().Len()
	if len(o.Payload) != slots*counterCellBytes {
		return damaged(o)
	}
	c.cells = sliceAt[counterCell](o.Payload, slots)
	if c.watch(o); c.watched == nil {
		c.mine = &c.cells[o.Seg.Me().Slot()]
	}
	return nil
}

// Add adds n, which may be negative.
func (c *Counter) Add(n int64) {
	c.beginChange()
	c.mine.sum.Add(n)
	runtime.KeepAlive(c)
}

// Sum is the sum of all that was added. While others add, it is a sum that was
// true at some moment between the call and the return for each process, not for all at once.
func (c *Counter) Sum() int64 {
	sum := int64(0)
	for i := range c.cells {
		sum += c.cells[i].sum.Load()
	}
	if c.gone() {
		sum = 0
	}
	c.order.Acquire()
	runtime.KeepAlive(c)
	return sum
}
