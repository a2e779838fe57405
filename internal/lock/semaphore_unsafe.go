package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

const (
	// SemaphoreBytes is how much shared memory a semaphore without undo needs, aligned to a cache line.
	SemaphoreBytes = 64

	// semaphoreEventAt is where its event count lies.
	semaphoreEventAt = 16

	// tallyBytes is what comes in front of the seats of a tally.
	tallyBytes = 64
)

// SemaphoreUndoBytes is how much shared memory a semaphore with undo needs for n processes, aligned to a cache line.
func SemaphoreUndoBytes(n int) int { return SemaphoreBytes + tallyBytes + rosterBytes(n) }

// semaphoreRegion is a semaphore in shared memory. All that the fast paths touch is on one cache line. With undo, a
// tallyRegion and the seats of a roster come behind it.
//
//	off  size  field  written by                  read by    initial
//	  0     8  free   who acquires and releases   everybody  units; from 0 to max
//	  8     8  turn   leaders                     everybody  0: nobody's; see turnWord
//	 16    16  event  sleepers, who releases      releasers  0
//	 32     4  heavy  who waits for more than 1   releasers  0; sticks at 1
//	 36     4  undo   creator                     openers    1: units belong to processes
//	 40     8  units  creator                     openers    how many units there are at first
//	 48     8  max    creator                     openers    bound of free; 0: none
type semaphoreRegion struct {
	_     structs.HostLayout
	free  atomic.Int64
	turn  atomic.Uint64
	event event
	heavy atomic.Uint32
	undo  uint32
	units int64
	max   int64
	_     [8]byte
}

// tallyRegion is what comes in front of the seats of a tally.
//
//	off  size  field  written by                  read by    initial
//	  0    16  lock   everybody who changes them  everybody  0
//	 16     4  high   who claims a seat           everybody  0; see roster
type tallyRegion struct {
	_    structs.HostLayout
	lock region
	high atomic.Uint32
	_    [44]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(semaphoreRegion{}.free)]
	_ = [1]struct{}{}[unsafe.Offsetof(semaphoreRegion{}.turn)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(semaphoreRegion{}.event)-semaphoreEventAt]
	_ = [1]struct{}{}[unsafe.Offsetof(semaphoreRegion{}.heavy)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(semaphoreRegion{}.undo)-36]
	_ = [1]struct{}{}[unsafe.Offsetof(semaphoreRegion{}.units)-40]
	_ = [1]struct{}{}[unsafe.Offsetof(semaphoreRegion{}.max)-48]
	_ = [1]struct{}{}[unsafe.Sizeof(semaphoreRegion{})-SemaphoreBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(tallyRegion{}.lock)]
	_ = [1]struct{}{}[unsafe.Offsetof(tallyRegion{}.high)-16]
	_ = [1]struct{}{}[unsafe.Sizeof(tallyRegion{})-tallyBytes]
)

// semaphoreIn views the first bytes of mem, which must be aligned to 8 bytes, as a semaphore. It panics when mem is too short.
func semaphoreIn(mem []byte) *semaphoreRegion {
	_ = mem[SemaphoreBytes-1]
	return (*semaphoreRegion)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// tallyIn views the first bytes of mem, which must be aligned to 8 bytes, as the head of a tally. It panics when mem is too short.
func tallyIn(mem []byte) *tallyRegion {
	_ = mem[tallyBytes-1]
	return (*tallyRegion)(unsafe.Pointer(unsafe.SliceData(mem)))
}
