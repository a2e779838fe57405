package shmsync

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

// onceBody is the payload of a Once.
//
//	off  size  field  written by     read by    initial
//	  0     4  done   holder of lock all        0; 1: the function has been run, and never is again
//	  4     4  -
//	  8    16  lock   package lock
//	 24    40  -
type onceBody struct {
	_    structs.HostLayout
	done atomic.Uint32
	_    [4]byte
	lock [lock.RegionBytes]byte
	_    [40]byte
}

const onceBytes = 64

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(onceBody{}.done)]
	_ = [1]struct{}{}[unsafe.Offsetof(onceBody{}.lock)-8]
	_ = [1]struct{}{}[unsafe.Sizeof(onceBody{})-onceBytes]
)

// onceIn views the first bytes of mem as a Once. It panics when mem is too short.
func onceIn(mem []byte) *onceBody {
	_ = mem[onceBytes-1]
	return (*onceBody)(unsafe.Pointer(unsafe.SliceData(mem)))
}
