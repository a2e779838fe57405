package queue

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// seat is where a process counts its tasks. There is one for each slot of the process table.
//
//	off  size  field  written by    read by  initial
//	  0     8  word   its owner     Join     0
//	  8    56  -
type seat struct {
	_    structs.HostLayout
	word atomic.Uint64 // alone on its cache line
	_    [56]byte
}

const seatBytes = 64

// The layout is ABI between processes: this line stops compiling if it moves.
var _ = [1]struct{}{}[unsafe.Sizeof(seat{})-seatBytes]

// seatsIn views mem as seats.
func seatsIn(mem []byte) []seat {
	return unsafe.Slice((*seat)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/seatBytes)
}
