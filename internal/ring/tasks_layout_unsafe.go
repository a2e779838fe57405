package ring

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// A taskCount is where a process counts its tasks. There is one for each slot of the process table.
//
//	off  size  field  written by    read by  initial
//	  0     8  word   its owner     Join     0
//	  8    56  -
type taskCount struct {
	_    structs.HostLayout
	word atomic.Uint64 // alone on its cache line
	_    [56]byte
}

const taskBytes = 64

// The layout is ABI between processes: this line stops compiling if it moves.
var _ = [1]struct{}{}[unsafe.Sizeof(taskCount{})-taskBytes]

// countsIn views mem as counts.
func countsIn(mem []byte) []taskCount {
	return unsafe.Slice((*taskCount)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/taskBytes)
}
