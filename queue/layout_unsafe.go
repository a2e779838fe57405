package queue

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
)

// ringHead starts the payload of a Queue; the slots follow it, and the seats of a queue that is joinable.
//
//	off  size  field      written by        read by     initial  invariant
//	  0     8  capacity   creator           opener      slots    a power of two
//	  8     4  closed     Close             everybody   0        1: closed, for good
//	 12     4  sort       creator           opener      0        1: joinable
//	 16     8  abandoned  who frees a slot  Stats       0        slots that the dead left
//	 24     8  -
//	 32    16  notEmpty   package lock
//	 48    16  notFull    package lock
//	 64    32  tally      see there
//	 96    16  joiners    package lock
//	112    16  -
//	128     8  put        everybody, CAS    everybody   0        every earlier position has been claimed by a producer; see end
//	136   120  -
//	256     8  get        everybody, CAS    everybody   0        every earlier position has been claimed by a consumer, or skipped; see end
//	264   120  -
//
// The first line changes only when somebody sleeps, dies or closes; everybody keeps a
// copy of it in his cache. A position is 64 bits wide and never wraps in practice.
type ringHead struct {
	_         structs.HostLayout
	capacity  uint64
	closed    atomic.Uint32
	sort      uint32
	abandoned atomic.Uint64
	_         [8]byte
	notEmpty  [lock.EventBytes]byte
	notFull   [lock.EventBytes]byte
	tally     ring.Counters
	joiners   [lock.EventBytes]byte
	_         [16]byte
	put       atomic.Uint64 // alone on its pair of cache lines
	_         [120]byte
	get       atomic.Uint64 // alone on its pair of cache lines
	_         [120]byte
}

// slot is one place of the ring; the value follows it.
//
//	off  size  field  written by                                         read by    initial
//	  0     8  state  claimant (CAS), its owner, who frees it (CAS)       everybody  empty, lap 0
//	  8        value  producer while writing                              consumer while reading
type slot struct {
	_     structs.HostLayout
	state atomic.Uint64
}

const (
	headBytes     = 384
	slotHeadBytes = 8
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.closed)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.sort)-12]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.abandoned)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.notEmpty)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.notFull)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.tally)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.joiners)-96]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.put)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(ringHead{}.get)-256]
	_ = [1]struct{}{}[unsafe.Sizeof(ringHead{})-headBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(slot{})-slotHeadBytes]
)

func headIn(mem []byte) *ringHead {
	_ = mem[headBytes-1]
	return (*ringHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// slotAt views the slot that begins at an offset of mem, which the caller has checked.
func slotAt(mem *byte, off uintptr) *slot {
	return (*slot)(unsafe.Add(unsafe.Pointer(mem), off))
}

// valueOf views what the slot holds as a T. Slots have room for the element type of their queue.
func valueOf[T any](s *slot) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(s), slotHeadBytes))
}
