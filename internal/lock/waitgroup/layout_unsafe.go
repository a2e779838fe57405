package waitgroup

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

const (
	// Bytes is how much shared memory a wait group without undo needs, aligned to a cache line.
	Bytes = 64

	// eventOffset is where its event count lies.
	eventOffset = 16
)

// BytesWithUndo is how much shared memory a wait group with undo needs for n processes, aligned to
// a cache line.
func BytesWithUndo(n int) int { return Bytes + lock.UndoBytes(n) }

// region is a wait group in shared memory. With undo, a lock.UndoCounts comes behind it.
//
//	off  size  field  written by          read by    initial
//	  0     8  word   callers of Add      all        0; see Group
//	  8     4  undo   creator             openers    1: units belong to processes
//	 12     4  -
//	 16    16  event  waiters, adders     adders     0
type region struct {
	_     structs.HostLayout
	word  atomic.Uint64
	undo  uint32
	_     [4]byte
	event lock.EventRegion
	_     [32]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.word)]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.undo)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.event)-eventOffset]
	_ = [1]struct{}{}[unsafe.Sizeof(region{})-Bytes]
)

// regionIn views the first bytes of mem, which must be aligned to 8 bytes, as a wait group. It
// panics when mem is too short.
func regionIn(mem []byte) *region {
	_ = mem[Bytes-1]
	return (*region)(unsafe.Pointer(unsafe.SliceData(mem)))
}
