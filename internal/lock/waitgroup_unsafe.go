package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

const (
	// WaitGroupBytes is how much shared memory a wait group without undo needs, aligned to a cache line.
	WaitGroupBytes = 64

	// waitGroupEventAt is where its event count lies.
	waitGroupEventAt = 16
)

// WaitGroupUndoBytes is how much shared memory a wait group with undo needs for n processes, aligned to a cache line.
func WaitGroupUndoBytes(n int) int { return WaitGroupBytes + tallyBytes + rosterBytes(n) }

// waitGroupRegion is a wait group in shared memory. With undo, a tallyRegion and the seats of a roster come behind it.
//
//	off  size  field  written by          read by    initial
//	  0     8  word   who adds            everybody  0; see WaitGroup
//	  8     4  undo   creator             openers    1: units belong to processes
//	 12     4  -
//	 16    16  event  sleepers, who adds  who adds   0
type waitGroupRegion struct {
	_     structs.HostLayout
	word  atomic.Uint64
	undo  uint32
	_     [4]byte
	event event
	_     [32]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(waitGroupRegion{}.word)]
	_ = [1]struct{}{}[unsafe.Offsetof(waitGroupRegion{}.undo)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(waitGroupRegion{}.event)-waitGroupEventAt]
	_ = [1]struct{}{}[unsafe.Sizeof(waitGroupRegion{})-WaitGroupBytes]
)

// waitGroupIn views the first bytes of mem, which must be aligned to 8 bytes, as a wait group. It panics when mem is too short.
func waitGroupIn(mem []byte) *waitGroupRegion {
	_ = mem[WaitGroupBytes-1]
	return (*waitGroupRegion)(unsafe.Pointer(unsafe.SliceData(mem)))
}
