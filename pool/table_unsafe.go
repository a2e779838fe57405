package pool

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/futex"
)

// The task table is one object: first a record for each worker that there may be, then the slots.

const (
	argBytes    = 144 // arguments up to this size are in the slot itself
	resultBytes = 152 // so are results

	roomBytes    = 64
	recordBytes  = 512
	slotBytes    = 384
	failureBytes = recordBytes - 64
)

// record is what a worker and its parent say to each other.
//
//	off  size  field    written by           read by   invariant
//	  0     4  owner    worker, once         parent    owner id of its attachment, 0 before it
//	  4     4  stage    worker               parent    how far it has come, and why it has ended
//	  8     8  done     worker               parent    tasks that it and its predecessors have finished
//	 16     4  order    parent               worker    futex: bit 0 retire, the rest counts orders
//	 20     4  length   worker, once         parent    bytes of failure
//	 24     8  room     parent, worker CAS   both      bytes that the worker waits for: see room.go
//	 32     8  report     worker, parent       parent    block of its report, 0: none; see report.go
//	 40     4  reportLen  worker               parent    bytes of the report
//	 44     4  asked      parent               worker    serial of the attempt whose stack is wanted
//	 48     4  answered   worker               parent    the last of those that it has seen
//	 52    12  -
//	 64   448  failure  worker, once         parent    encoded: why a resource did not open
type record struct {
	_      structs.HostLayout
	owner  atomic.Uint32
	stage  atomic.Uint32
	done   atomic.Uint64
	order  atomic.Uint32
	length uint32
	room   atomic.Uint64

	report    atomic.Uint64
	reportLen atomic.Uint32
	asked     atomic.Uint32
	answered  atomic.Uint32
	_         [12]byte

	failure [failureBytes]byte
}

// slot is one task on its way through the pool. What both sides write while a task is in flight is in lines of its own.
//
//	off  size  field      written by           read by          invariant
//	  0     8  state      parent, worker CAS   both             see phase
//	  8     8  task       parent               worker           id of the task
//	 16     8  arg        parent               worker           block of the argument, 0: in args
//	 24     4  argLen     parent               worker           bytes
//	 28     4  count      parent               worker           arguments in it, from 1
//	 32     8  soft       parent               worker           soft deadline in ns, 0: none
//	 40     4  cancel     parent               worker           serial of the attempt whose context is to end
//	 44     4  timed      parent               worker           bit 0: fill in ran, bit 1: fill in began
//	 48   144  args
//	192     8  result     worker               parent           block of the result, 0: in results
//	200     4  resultLen  worker               parent           bytes
//	204     4  kind       worker               parent           what the result is
//	208     8  ran        worker               parent           ns that the task ran, if timed
//	216     4  at         worker               parent           which of count runs
//	220     4  -
//	224     8  began      worker               parent           ns since 1970 at which it has begun the task, if asked
//	232   152  results
type slot struct {
	_         structs.HostLayout
	state     atomic.Uint64
	task      uint64
	arg       uint64
	argLen    uint32
	count     uint32
	soft      int64
	cancel    atomic.Uint32
	timed     uint32
	args      [argBytes]byte
	result    uint64
	resultLen uint32
	kind      uint32
	ran       int64
	at        atomic.Uint32
	_         [4]byte
	began     atomic.Int64
	results   [resultBytes]byte
}

// roomWord is behind the slots.
//
//	off  size  field   written by  read by   invariant
//	  0     4  scarce  parent      workers   not 0: no worker takes a block but from the parent
type roomWord struct {
	_      structs.HostLayout
	scarce atomic.Uint32
	_      [60]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(record{})-recordBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(roomWord{})-roomBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(record{}.room)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(record{}.failure)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.args)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.result)-192]
	_ = [1]struct{}{}[unsafe.Offsetof(slot{}.results)-232]
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

func roomIn(mem []byte) *roomWord { return (*roomWord)(unsafe.Pointer(&mem[:roomBytes][0])) }

// overlap says that two slices have bytes in common.
func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	x, y := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return x < y+uintptr(len(b)) && y < x+uintptr(len(a))
}

// orderWord is the futex on which a worker sleeps that has seen this value.
func (r *record) orderWord(seen uint32) futex.Word {
	return futex.Word{Addr: (*uint32)(unsafe.Pointer(&r.order)), Val: seen}
}

// bytesOf views the n bytes of v, whose type holds no pointers.
func bytesOf[T any](v *T, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), n)
}

// A sliceHeader is what a slice of any type is in memory.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

// bytesOfSlice views the elements of v, which is a slice of elements of that size without pointers.
func bytesOfSlice[T any](v *T, size int) []byte {
	h := (*sliceHeader)(unsafe.Pointer(v))
	return unsafe.Slice((*byte)(h.data), h.len*size)
}

// aligned says that b begins where elements of any type may.
func aligned(b []byte) bool { return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%8 == 0 }

// elementsIn views b, which is aligned and holds n of them, as elements of a type without pointers.
func elementsIn[T any](b []byte, n int) []T {
	if len(b) == 0 {
		return make([]T, n) // they have no bytes
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// alignedBytes returns n bytes where elements of any type may begin, in b if that has room.
func alignedBytes(b []byte, n int) []byte {
	if cap(b) < n || n == 0 {
		words := make([]uint64, (n+7)/8)
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))[:n]
	}
	return b[:n]
}

// storeAt notes which argument of a chunk runs: a store in order, and not a locked instruction for each.
func storeAt(at *atomic.Uint32, i uint32) { cpu.StoreRelease32((*uint32)(unsafe.Pointer(at)), i) }

// setSlice makes v, which is a slice of elements of that size without pointers, a view of b, which is aligned for them;
// nil if b is empty.
func setSlice[T any](v *T, b []byte, size int) {
	if len(b) == 0 {
		return
	}
	*(*sliceHeader)(unsafe.Pointer(v)) = sliceHeader{data: unsafe.Pointer(unsafe.SliceData(b)), len: len(b) / size, cap: len(b) / size}
}
