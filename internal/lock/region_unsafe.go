package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// RegionBytes is how much shared memory a lock needs, aligned to 8 bytes. Zeros are a free lock.
const RegionBytes = 16

// region is a lock in shared memory.
//
//	off  size  field     written by                read by        initial
//	  0     4  word      everybody, CAS; holder    everybody      0
//	  4     4  state     holder                    holder         0
//	  8     4  starving  leaders, slow unlocker    slow unlocker  0: nobody, else an owner id
//	 12     4  dead      who takes over            holder         0: owner id of the last who died holding
type region struct {
	_        structs.HostLayout
	word     atomic.Uint32
	state    atomic.Uint32
	starving atomic.Uint32
	dead     atomic.Uint32
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.state)-4]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.starving)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.dead)-12]
	_ = [1]struct{}{}[unsafe.Sizeof(region{})-RegionBytes]
)

// regionIn views the first bytes of mem as a lock. It panics when mem is too short.
func regionIn(mem []byte) *region {
	_ = mem[RegionBytes-1]
	return (*region)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// futex is the address of the word for the kernel.
func (r *region) futex() *uint32 { return (*uint32)(unsafe.Pointer(&r.word)) }
