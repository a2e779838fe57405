package ring

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

// A Head starts the payload of each kind of queue; what is special to a kind follows it, and then
// the places.
//
//	off  size  field      written by                    read by  initial
//	  0     8  capacity   creator                       opener   a power of two
//	  8     4  ClosedBy   Close, CAS; Reopen            all      0: open; else owner id of the process that closed it
//	 12     4  flags      creator                       opener   1: joinable
//	 16     8  Abandoned  a process that frees a place  Stats    0: messages that died with their process
//	 24     4  closings   Close                         all      0: how often the queue was closed
//	 28     4  -
//	 32    16  NotEmpty   package lock
//	 48    16  NotFull    package lock
//	 64    32  Counters   see there
//	 96    16  Joiners    package lock
//
// These bytes change only when a waiter sleeps, a process dies or the queue is closed. Otherwise
// each processor keeps a copy of them in its cache.
type Head struct {
	_         structs.HostLayout
	capacity  uint64
	ClosedBy  atomic.Uint32
	flags     uint32
	Abandoned atomic.Uint64
	closings  atomic.Uint32
	_         [4]byte
	NotEmpty  [lock.EventBytes]byte
	NotFull   [lock.EventBytes]byte
	Counters  Counters
	Joiners   [lock.EventBytes]byte
}

// HeadBytes is the size of a [Head].
const HeadBytes = 112

// joinable is the flag of a queue that counts tasks.
const joinable uint32 = 1

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.ClosedBy)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.flags)-12]
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.Abandoned)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.closings)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.NotEmpty)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.NotFull)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.Counters)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(Head{}.Joiners)-96]
	_ = [1]struct{}{}[unsafe.Sizeof(Head{})-HeadBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(Counters{})-countersBytes]
)

func headIn(mem []byte) *Head {
	_ = mem[HeadBytes-1]
	return (*Head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// firstWord is the word that mem begins with.
func firstWord(mem []byte) uint64 {
	_ = mem[7]
	return *(*uint64)(unsafe.Pointer(unsafe.SliceData(mem)))
}
