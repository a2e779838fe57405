package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// condHead is the fixed part of a condition variable in shared memory.
//
//	off  size  field   written by             read by                initial
//	  0    16  lock    who claims or rescues  the same               0; a lock, see region
//	 16     4  high    who claims a seat      everybody              0; how many seats were handed out
//	 20     4  next    notifiers              notifiers              0; the seat to look at first
//	 24     4  storms  broadcasters           waiters                0; how many broadcasts there were, modulo 2^32
//	 28    36  -
//	 64        seats   waiters, notifiers     everybody              0; a roster
//	           bells   waiters, notifiers     notifiers              0; an event count for each seat
type condHead struct {
	_      structs.HostLayout
	lock   region
	high   atomic.Uint32
	next   atomic.Uint32
	storms atomic.Uint32
	_      [36]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(condHead{}.lock)]
	_ = [1]struct{}{}[unsafe.Offsetof(condHead{}.high)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(condHead{}.next)-20]
	_ = [1]struct{}{}[unsafe.Offsetof(condHead{}.storms)-24]
	_ = [1]struct{}{}[unsafe.Sizeof(condHead{})-condHeadBytes]
)

const condHeadBytes = 64

// condHeadIn views the first bytes of mem as the head of a condition variable. It panics when mem is too short.
func condHeadIn(mem []byte) *condHead {
	_ = mem[condHeadBytes-1]
	return (*condHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}
