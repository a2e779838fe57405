package shm

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
)

// valueHead starts the payload of a Value; the two copies follow it.
//
//	off  size  field     written by     read by     invariant
//	  0    16  lock      package lock
//	 16     8  sequence  lock holder    readers     bit 0: the copy that is valid
//	 24     8  -
type valueHead struct {
	_        structs.HostLayout
	lock     [lock.RegionBytes]byte
	sequence atomic.Uint64
	_        [8]byte
}

// arrayHead starts the payload of an Array; the elements follow it, and as many for undoing.
//
//	off  size  field     written by     read by       invariant
//	  0    16  lock      package lock
//	 16     8  count     creator        opener        elements
//	 24     8  low       lock holder    next holder   first element that is being changed
//	 32     8  high      lock holder    next holder   the one after the last
//	 40     8  sequence  lock holder    readers       grows; bit 0: elements [low, high) have copies in the undo area
//	 48    16  -
type arrayHead struct {
	_        structs.HostLayout
	lock     [lock.RegionBytes]byte
	count    uint64
	low      atomic.Uint64
	high     atomic.Uint64
	sequence atomic.Uint64
	_        [16]byte
}

const (
	valueHeadBytes = 32
	arrayHeadBytes = 64
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(valueHead{}.sequence)-16]
	_ = [1]struct{}{}[unsafe.Sizeof(valueHead{})-valueHeadBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(arrayHead{}.sequence)-40]
	_ = [1]struct{}{}[unsafe.Sizeof(arrayHead{})-arrayHeadBytes]
)

// at views mem, which must be long enough and aligned, as a T.
func at[T any](mem []byte) *T {
	_ = mem[unsafe.Sizeof(*new(T))-1]
	return (*T)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// sliceAt views the beginning of mem as n values of T.
func sliceAt[T any](mem []byte, n int) []T {
	if n == 0 {
		return []T{}
	}
	_ = mem[uintptr(n)*unsafe.Sizeof(*new(T))-1]
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

// storeRelease stores v after everything that was written before, without a full fence.
func storeRelease(a *atomic.Uint64, v uint64) { cpu.StoreRelease64((*uint64)(unsafe.Pointer(a)), v) }
