package proctab

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// SlotBytes is the size of a slot in the segment.
const SlotBytes = 64

// slot is one process's place in the table.
//
//	off  size  field    written by                            read by           initial
//	  0     8  word     claimant (CAS), owner, kernel         all               0
//	  8     8  next     owner's keeper                        owner's kernel    0
//	 16     8  started  owner                                 for people        0: nanoseconds since 1970
//	 24     4  pid      owner                                 for people        0: in the owner's namespace
//	 28     4  named    owner, after the others for people    for people        0: epoch of started, pid, program
//	 32    24  program  owner                                 for people        NUL-padded
//	 56     8  namespace  owner                               for people        0: unknown; inode of the owner's PID namespace
//
// word: bits 0..31 liveness (the futex), bits 32..51 epoch, bit 60 noted (the
// owner's death is counted), bit 61 locked, bit 62 unordered
// (membarriers do not reach the owner), bit 63 byteLocked (a byte lock shows whether the owner
// lives). The kernel changes the liveness half only.
type slot struct {
	_         structs.HostLayout
	word      atomic.Uint64
	next      atomic.Uint64
	started   atomic.Int64
	pid       atomic.Uint32
	named     atomic.Uint32
	program   [programWords]atomic.Uint64
	namespace atomic.Uint64
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.next)-nodeOffset]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.started)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.pid)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.named)-28]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.program)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.namespace)-56]
	_ = [1]struct{}{}[unsafe.Sizeof(slot{})-SlotBytes]
)

// nodeOffset is where the slot's robust-list node lies, seen from its futex word.
const nodeOffset = 8

// slotsIn views mem, which must be aligned to 8 bytes, as slots.
func slotsIn(mem []byte) []slot {
	return unsafe.Slice((*slot)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/SlotBytes)
}

// liveness is the futex half of the word. Both supported processors are little-endian.
func (s *slot) liveness() *uint32 { return (*uint32)(unsafe.Pointer(&s.word)) }
