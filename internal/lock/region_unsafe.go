package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

const (
	// RegionBytes is how much shared memory a lock needs, aligned to 8 bytes. Zeros are a free lock.
	RegionBytes = 16
	// EventBytes is how much shared memory an event count needs, aligned to 8 bytes. Zeros are one without sleepers.
	EventBytes = 16
)

// region is a lock in shared memory.
//
//	off  size  field     written by                        read by        initial
//	  0     4  word      takers, CAS; holder               everybody      0
//	  4     4  bell      who is about to sleep, unlockers  unlockers      0; the futex
//	  8     4  starving  leaders                           slow unlocker  0: nobody, else an owner id
//	 12     4  dead      who takes over                    who is told    0: owner id of the last who died holding
type region struct {
	_        structs.HostLayout
	word     atomic.Uint32
	bell     bell
	starving atomic.Uint32
	dead     atomic.Uint32
}

// event is an event count in shared memory.
//
//	off  size  field  written by                        read by
//	  0     4  bell   who is about to sleep, notifiers  notifiers; the futex
//	  4    12  -
type event struct {
	_    structs.HostLayout
	bell bell
	_    [12]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.word)]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.bell)-4]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.starving)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.dead)-12]
	_ = [1]struct{}{}[unsafe.Sizeof(region{})-RegionBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(event{}.bell)]
	_ = [1]struct{}{}[unsafe.Sizeof(event{})-EventBytes]
)

// regionIn views the first bytes of mem as a lock. It panics when mem is too short.
func regionIn(mem []byte) *region {
	_ = mem[RegionBytes-1]
	return (*region)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// eventIn views the first bytes of mem as an event count. It panics when mem is too short.
func eventIn(mem []byte) *event {
	_ = mem[EventBytes-1]
	return (*event)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// address is where a word lies, for the kernel and for [cpu.StoreRelease32].
func address(word *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(word)) }

// seatsIn views mem, which must be aligned to 8 bytes, as seats of a roster.
func seatsIn(mem []byte) []atomic.Uint64 {
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/seatBytes)
}

// wordIn views the first 8 bytes of mem, which must be aligned to 8 bytes, as a word. It panics
// when mem is too short.
func wordIn(mem []byte) *atomic.Uint64 {
	_ = mem[7]
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(mem)))
}
