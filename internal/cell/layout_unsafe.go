package cell

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/owned"
)

// head starts the payload of a Var; the initial value follows it.
//
//	off  size  field     written by    read by  invariant
//	  0    16  lock      package lock
//	 16     8  revision  holder        all      bit 0: the place of the present value; waiters sleep on its low half
//	 24    32  places    holder        readers  of an even and an odd revision
//	 56    16  words     holder        repair   blocks that change hands, see package owned
//	 72     8  first     creator       readers  bytes of the initial value
type head struct {
	_        structs.HostLayout
	lock     [lock.RegionBytes]byte
	revision atomic.Uint64
	places   [2]place
	words    owned.Words
	first    uint64
	_        [48]byte
}

// place is where a value is. It changes only while the other one is that of the present value.
//
//	off  size  field   invariant
//	  0     8  block   offset of a part; 0: the initial value
//	  8     8  length  bytes of the value
type place struct {
	block  uint64
	length uint64
}

const headBytes = 128

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.revision)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.words)-56]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.first)-72]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

// headIn views the start of a payload, which has at least headBytes.
func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

func storeRelease(a *atomic.Uint64, v uint64) { cpu.StoreRelease64((*uint64)(unsafe.Pointer(a)), v) }

// futex is the half of the revision that waiters sleep on. The machine is little-endian.
func (h *head) futex() *uint32 { return (*uint32)(unsafe.Pointer(&h.revision)) }

// sleepOn is that half while it belongs to the revision.
func (h *head) sleepOn(revision uint64) futex.Word {
	return futex.Word{Addr: h.futex(), Val: uint32(revision)}
}
