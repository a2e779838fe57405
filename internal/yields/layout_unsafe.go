package yields

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/ring/stream"
)

// head starts the block of the argument of a task that yields. The ring follows it, and then the
// argument.
//
//	off  size  field   written by           read by  initial
//	  0     8  size    parent, at first     worker   bytes of the ring, a power of two
//	  8     8  isNil   parent, at first     worker   1: the argument is a nil slice
//	 16    48  -
//	 64    32  events  package lock                  0
//	 96    32  -
//	128   384  words   package ring/stream           0
type head struct {
	_      structs.HostLayout
	size   uint64
	isNil  uint64
	_      [48]byte
	events stream.Events
	_      [32]byte
	words  stream.Words
}

const headBytes = 512

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.events)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.words)-128]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}
