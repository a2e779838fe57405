package pipe

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring/stream"
)

// head starts the payload of a pipe; the two rings follow it, that of stream 0 first. End e writes
// stream e and reads the other one.
//
//	off  size  field     written by     read by                initial
//	  0     8  capacity  creator        opener                 bytes of a ring, a power of two
//	  8     8  ends      their owners   both                   0; see writeShut
//	 16    48  -
//	 64    64  events    package lock
//	128   384  stream 0
//	512   384  stream 1
type head struct {
	_        structs.HostLayout
	capacity uint64
	ends     [2]atomic.Uint32
	_        [48]byte
	events   [2]stream.Events
	streams  [2]stream.Words
}

// The word of an end: its owner, for good, and what the end does no more.
//
//	bits 0..29  owner id; 0: no process has had the end yet, or, with both of the other bits, none ever will
//	bit  30     writeShut: it writes no more
//	bit  31     readShut: it reads no more
const (
	writeShut uint32 = 1 << proctab.OwnerBits
	readShut  uint32 = 1 << (proctab.OwnerBits + 1)
)

const headBytes = 896

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.ends)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.events)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.streams)-128]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}
