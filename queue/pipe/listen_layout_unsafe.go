package pipe

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

// listenHead is the payload of a listener.
//
//	off  size  field     written by                      read by            initial
//	  0     8  buffer    creator                         dialers            bytes per direction of a pipe
//	  8     4  owner     creator; a heir of a dead one   all                owner id of the creator; see listenClosed
//	 12     4  -
//	 16    16  room      package lock
//	 32    32  -
type listenHead struct {
	_      structs.HostLayout
	buffer uint64
	owner  atomic.Uint32
	_      [4]byte
	room   [lock.EventBytes]byte
	_      [32]byte
}

// listenClosed is set in the owner's word when the listener was closed.
const listenClosed uint32 = 1 << 31

const listenHeadBytes = 64

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(listenHead{}.owner)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(listenHead{}.room)-16]
	_ = [1]struct{}{}[unsafe.Sizeof(listenHead{})-listenHeadBytes]
)

func listenHeadIn(mem []byte) *listenHead {
	_ = mem[listenHeadBytes-1]
	return (*listenHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}
