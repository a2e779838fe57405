package semaphore

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

const (
	// Bytes is how much shared memory a semaphore without undo needs, aligned to a cache line.
	Bytes = 64

	// eventOffset is where its event count lies.
	eventOffset = 16
)

// BytesWithUndo is how much shared memory a semaphore with undo needs for n processes, aligned to a
// cache line.
func BytesWithUndo(n int) int { return Bytes + lock.UndoBytes(n) }

// region is a semaphore in shared memory. All that the fast paths touch is on one cache line. With
// undo, a lock.UndoCounts comes behind it.
//
//	off  size  field  written by                  read by    initial
//	  0     8  free   acquirers, releasers        all        units; from 0 to max
//	  8     8  turn   leaders                     all        0: none; see turnWord
//	 16    16  event  waiters, releasers          releasers  0
//	 32     4  weightedWaiters  waiters for more than 1  releasers  0; sticks at 1
//	 36     4  undo   creator                     openers    1: units belong to processes
//	 40     8  units  creator                     openers    how many units there are at first
//	 48     8  max    creator                     openers    bound of free; 0: none
type region struct {
	_               structs.HostLayout
	free            atomic.Int64
	turn            atomic.Uint64
	event           lock.EventRegion
	weightedWaiters atomic.Uint32
	undo            uint32
	units           int64
	max             int64
	_               [8]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.free)]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.turn)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.event)-eventOffset]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.weightedWaiters)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.undo)-36]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.units)-40]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.max)-48]
	_ = [1]struct{}{}[unsafe.Sizeof(region{})-Bytes]
)

// regionIn views the first bytes of mem, which must be aligned to 8 bytes, as a semaphore. It
// panics when mem is too short.
func regionIn(mem []byte) *region {
	_ = mem[Bytes-1]
	return (*region)(unsafe.Pointer(unsafe.SliceData(mem)))
}
