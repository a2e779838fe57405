package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

const (
	// RegionBytes is how much shared memory a lock needs, aligned to 8 bytes. Zeros are a free
	// lock.
	RegionBytes = 16
	// EventBytes is how much shared memory an event count needs, aligned to 8 bytes. Zeros are one
	// without sleepers.
	EventBytes = 16
	// UndoHeadBytes is what comes in front of the cells of an [UndoCounts].
	UndoHeadBytes = 64
)

// A MutexRegion is a [Mutex] in shared memory.
//
//	off  size  field     written by                        read by        initial
//	  0     4  word      takers, CAS; holder       all processes   0
//	  4     4  bell      waiters, unlockers        unlockers       0; the futex
//	  8     4  starving  leaders                   slow unlockers  0: none, else an owner id
//	 12     4  dead      the next owner            lockers         0: owner id of the last process that died holding
type MutexRegion struct {
	_        structs.HostLayout
	word     atomic.Uint32
	bell     bell
	starving atomic.Uint32
	dead     atomic.Uint32
}

// An EventRegion is an [EventCount] in shared memory.
//
//	off  size  field  written by                        read by
//	  0     4  bell   waiters, notifiers                 notifiers; the futex
//	  4    12  -
type EventRegion struct {
	_    structs.HostLayout
	bell bell
	_    [12]byte
}

// undoRegion is what comes in front of the cells of an [UndoCounts].
//
//	off  size  field  written by                 read by    initial
//	  0    16  lock   processes that change one  all        0
//	 16     4  high   processes that claim one   all        0; see ProcSlots
type undoRegion struct {
	_    structs.HostLayout
	lock MutexRegion
	high atomic.Uint32
	_    [44]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(MutexRegion{}.word)]
	_ = [1]struct{}{}[unsafe.Offsetof(MutexRegion{}.bell)-4]
	_ = [1]struct{}{}[unsafe.Offsetof(MutexRegion{}.starving)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(MutexRegion{}.dead)-12]
	_ = [1]struct{}{}[unsafe.Sizeof(MutexRegion{})-RegionBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(EventRegion{}.bell)]
	_ = [1]struct{}{}[unsafe.Sizeof(EventRegion{})-EventBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(undoRegion{}.lock)]
	_ = [1]struct{}{}[unsafe.Offsetof(undoRegion{}.high)-16]
	_ = [1]struct{}{}[unsafe.Sizeof(undoRegion{})-UndoHeadBytes]
)

// mutexRegionIn views the first bytes of mem as a lock. It panics when mem is too short.
func mutexRegionIn(mem []byte) *MutexRegion {
	_ = mem[RegionBytes-1]
	return (*MutexRegion)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// EventRegionIn views the first bytes of mem as an event count. It panics when mem is too short.
func EventRegionIn(mem []byte) *EventRegion {
	_ = mem[EventBytes-1]
	return (*EventRegion)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// undoRegionIn views the first bytes of mem, which must be aligned to 8 bytes, as the head of an
// [UndoCounts]. It panics when mem is too short.
func undoRegionIn(mem []byte) *undoRegion {
	_ = mem[UndoHeadBytes-1]
	return (*undoRegion)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// address is where a word lies, for the kernel and for [cpu.StoreRelease32].
func address(word *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(word)) }

// cellsIn views mem, which must be aligned to 8 bytes, as cells of a [ProcSlots].
func cellsIn(mem []byte) []atomic.Uint64 {
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/cellBytes)
}

// wordIn views the first 8 bytes of mem, which must be aligned to 8 bytes, as a word. It panics
// when mem is too short.
func wordIn(mem []byte) *atomic.Uint64 {
	_ = mem[7]
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(mem)))
}
