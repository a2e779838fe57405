package tasktable

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
)

// The task table is one object: first a record for each worker that there may be, then the slots.

const (
	argBytes    = 144 // arguments up to this size are in the slot itself
	ResultBytes = 152 // so are results

	roomBytes    = 64
	RecordBytes  = 512
	slotBytes    = 448
	failureAt    = 64
	FailureBytes = RecordBytes - failureAt
	argsAt       = 48
)

// Record is what a worker and its parent say to each other.
//
//	off  size  field    written by           read by   invariant
//	  0     4  Owner    worker, once         parent    owner id of its attachment, 0 before it
//	  4     4  Stage    worker               parent    how far it has come, and why it has ended
//	  8     8  Done     worker               parent    tasks that it and its predecessors have finished
//	 16     4  Order    parent               worker    futex: bit 0 retire, the rest counts orders
//	 20     4  Length   worker, once         parent    bytes of Failure
//	 24     8  Room     parent, worker CAS   both      bytes that the worker waits for: see RoomAsks
//	 32     8  Report     worker, parent       parent    block of its report, 0: none; see ReportMark
//	 40     4  ReportLen  worker               parent    bytes of the report
//	 44     4  Asked      parent               worker    serial of the attempt that a stack is wanted of
//	 48     4  Answered   worker               parent    the last of those that it has seen
//	 52     4  SinceOf    worker               readers   the last bits of Done when it began the task of Since
//	 56     8  Since      worker               readers   ns since 1970 at which it has begun a task, of those that it times
//	 64   448  Failure  worker, once         parent    encoded: why a resource did not open
type Record struct {
	_      structs.HostLayout
	Owner  atomic.Uint32
	Stage  atomic.Uint32
	Done   atomic.Uint64
	Order  atomic.Uint32
	Length uint32
	Room   atomic.Uint64

	Report    atomic.Uint64
	ReportLen atomic.Uint32
	Asked     atomic.Uint32
	Answered  atomic.Uint32
	SinceOf   atomic.Uint32
	Since     atomic.Int64

	Failure [FailureBytes]byte
}

// What Record.Room says. All else is the block that the worker has got.
const (
	RoomAsks    = 1 // bit: the rest is how many bytes it waits for
	RoomNone    = 0
	RoomGiving  = 2 // the parent has a block for it, and is about to say which
	RoomRefused = 4 // there will be no room
)

// Slot is one task on its way through the pool. What both sides write while a task is in flight is
// in lines of its own.
//
//	off  size  field      written by           read by          invariant
//	  0     8  State      parent, worker CAS   both             see PhaseFree
//	  8     8  Task       parent               worker           id of the task
//	 16     8  Arg        parent               worker           block of the argument, 0: in Args
//	 24     4  ArgLen     parent               worker           bytes
//	 28     4  Count      parent               worker           arguments in it, from 1
//	 32     8  Soft       parent               worker           soft deadline in ns, 0: none
//	 40     4  Cancel     parent               worker           serial of the attempt that must end its context
//	 44     4  Timed      parent               worker           bit 0: fill in Ran, bit 1: fill in Began, bit 2: Carry is there, bit 3: the argument is nil
//	 48   144  Args
//	192     8  Result     worker               parent           block of the result, 0: in Results
//	200     4  ResultLen  worker               parent           bytes
//	204     4  Kind       worker               parent           what the result is
//	208     8  Ran        worker               parent           ns that the task ran, if timed
//	216     4  At         worker               parent           which of count runs
//	220     4  Failures   worker               parent           arguments of a chunk without a value
//	224     8  Began      worker               parent           ns since 1970 at which it has begun the task, if asked
//	232   152  Results
//	384    32  Carry      parent               worker           what the caller's Options.Carry has said, if bit 2 of Timed is set
//	416     4  Panics     worker               parent           of Failures, those that panicked; if there are Failures
//	420     4  Unsent     worker               parent           of Failures, those that the pool could not run or send; the same
//	424    24  -
type Slot struct {
	_         structs.HostLayout
	State     atomic.Uint64
	Task      uint64
	Arg       uint64
	ArgLen    uint32
	Count     uint32
	Soft      int64
	Cancel    atomic.Uint32
	Timed     uint32
	Args      [argBytes]byte
	Result    uint64
	ResultLen uint32
	Kind      uint32
	Ran       int64
	At        atomic.Uint32
	Failures  uint32
	Began     atomic.Int64
	Results   [ResultBytes]byte
	Carry     [CarryBytes]byte
	Panics    uint32
	Unsent    uint32
	_         [24]byte
}

// CarryBytes is the size of what a task carries beside its argument.
const CarryBytes = 32

// Carried is what the task carries beside its argument, nil: nothing. The bytes are the parent's
// until the task is done.
func (s *Slot) Carried() *[CarryBytes]byte {
	if s.Timed&HasCarry == 0 {
		return nil
	}
	return &s.Carry
}

// roomWord, which lies behind the slots, says whether memory is scarce: while it is not 0, workers
// ask the parent for blocks instead of allocating them.
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
	_ = [1]struct{}{}[unsafe.Sizeof(Record{})-RecordBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(roomWord{})-roomBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(Record{}.Room)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(Record{}.Failure)-failureAt]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.Args)-argsAt]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.Result)-192]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.Results)-232]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.Carry)-384]
	_ = [1]struct{}{}[unsafe.Sizeof(Slot{})-slotBytes]
)

func recordsIn(mem []byte, n int) []Record {
	_ = mem[n*RecordBytes-1]
	return unsafe.Slice((*Record)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

func slotsIn(mem []byte, n int) []Slot {
	_ = mem[n*slotBytes-1]
	return unsafe.Slice((*Slot)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

func roomIn(mem []byte) *roomWord { return (*roomWord)(unsafe.Pointer(&mem[:roomBytes][0])) }

// OrderWord is the futex on which a worker sleeps that has seen this value.
func (r *Record) OrderWord(seen uint32) futex.Word {
	return futex.Word{Addr: (*uint32)(unsafe.Pointer(&r.Order)), Val: seen}
}
