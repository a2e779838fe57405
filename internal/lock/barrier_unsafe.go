package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// barrierHead starts a barrier in shared memory; the seats of the parties follow it.
//
//	off  size  field    written by                       read by    initial, invariant
//	  0     8  state    parties, by CAS                  everybody  0; see barrierState
//	  8     8  cause    who breaks the barrier, by CAS   the others 0; see barrierCause
//	 16    16  event    who sleeps, who changes state
//	 32    16  lock     whoever joins or resets
//	 48     4  parties  creator                          opener     1 to MaxParties
//	 52     4  high     holder of lock                   everybody  0; see roster
//	 56     8  -
type barrierHead struct {
	_       structs.HostLayout
	state   atomic.Uint64
	cause   atomic.Uint64
	event   [EventBytes]byte
	lock    [RegionBytes]byte
	parties atomic.Uint32
	high    atomic.Uint32
	_       [8]byte
}

const barrierHeadBytes = lineBytes

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(barrierHead{}.state)]
	_ = [1]struct{}{}[unsafe.Offsetof(barrierHead{}.cause)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(barrierHead{}.event)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(barrierHead{}.lock)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(barrierHead{}.parties)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(barrierHead{}.high)-52]
	_ = [1]struct{}{}[unsafe.Sizeof(barrierHead{})-barrierHeadBytes]
)

// barrierIn views the first bytes of mem as a barrier. It panics when mem is too short.
func barrierIn(mem []byte) *barrierHead {
	_ = mem[barrierHeadBytes-1]
	return (*barrierHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}
