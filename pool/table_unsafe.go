package pool

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// The task table is one object: first a worker record per worker, then the slots.

const (
	argBytes    = 128 // arguments and results up to this size are in the slot itself
	resultBytes = 128

	recordBytes = 64
	slotBytes   = 320
)

// record is what a worker says of itself.
//
//	off  size  field    written by           read by   invariant
//	  0     4  owner    worker, once         parent    owner id of its attachment, 0 before it
//	  4     4  ready    worker, once         parent    stage
//	  8     8  done     worker               parent    tasks that it has finished
//	 16    48  -
type record struct {
	_     structs.HostLayout
	owner atomic.Uint32
	ready atomic.Uint32
	done  atomic.Uint64
	_     [48]byte
}

// slot is one task on its way through the pool.
//
//	off  size  field       written by           read by          invariant
//	  0     8  state       parent, worker CAS   both             see phase
//	  8     8  task        parent               worker           id of the task
//	 16     8  arg         parent               worker           block of the argument, 0: in args
//	 24     4  argLen      parent               worker           bytes
//	 28     4  kind        worker               parent           what the result is
//	 32     8  result      worker               parent           block of the result, 0: in results
//	 40     4  resultLen   worker               parent           bytes
//	 44    20  -
//	 64   128  args
//	192   128  results
type slot struct {
	_         structs.HostLayout
	state     atomic.Uint64
	task      uint64
	arg       uint64
	argLen    uint32
	kind      uint32
	result    uint64
	resultLen uint32
	_         [20]byte
	args      [argBytes]byte
	results   [resultBytes]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(record{})-recordBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.args)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.results)-64-argBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(slot{})-slotBytes]
)

func recordsIn(mem []byte, n int) []record {
	_ = mem[n*recordBytes-1]
	return unsafe.Slice((*record)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

func slotsIn(mem []byte, n int) []slot {
	_ = mem[n*slotBytes-1]
	return unsafe.Slice((*slot)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

// bytesOf views the n bytes of v, whose type holds no pointers.
func bytesOf[T any](v *T, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), n)
}
