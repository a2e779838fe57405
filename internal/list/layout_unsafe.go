package list

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/owned"
)

// head starts the payload of a List; a copy of one element for undoing follows it.
//
//	off  size  field     written by    read by  invariant
//	  0    16  lock      package lock
//	 16     8  length    holder        all      elements
//	 24     8  sequence  holder        readers  odd: element undo is being changed, and its copy counts
//	 32     8  undo      holder        readers  number of that element
//	 40    16  words     holder        repair   blocks that change hands, see package owned
//	 56     4  size      creator       opener   bytes of an element
//	 60     4  firstLog  creator       opener   log2 of the elements of chunk 0
//	 64   320  chunks    holder        all      offsets of the chunks; 0: there is none. Chunk k > 0 has as many elements as all before it
type head struct {
	_        structs.HostLayout
	lock     [lock.RegionBytes]byte
	length   atomic.Uint64
	sequence atomic.Uint64
	undo     uint64
	words    owned.Words
	size     uint32
	firstLog uint32
	chunks   [maxChunks]atomic.Uint64
}

const (
	headBytes = 384
	maxChunks = 40
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.length)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.words)-40]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.size)-56]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.chunks)-64]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

// headIn views the start of a payload, which has at least headBytes.
func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

func storeRelease(a *atomic.Uint64, v uint64) { cpu.StoreRelease64((*uint64)(unsafe.Pointer(a)), v) }
