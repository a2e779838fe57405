package barrier

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

// head starts a barrier in shared memory; the cells of the parties follow it.
//
//	off  size  field    written by                       read by    initial, invariant
//	  0     8  state    parties, by CAS                  all        0; see stateWord
//	  8     8  cause    the breaker, by CAS              the others 0; see causeWord
//	 16    16  event    waiters, changers of the state
//	 32    16  lock     processes that join or reset
//	 48     4  parties  creator                          opener     1 to MaxParties
//	 52     4  high     holder of lock                   all        0; see lock.ProcSlots
//	 56     8  -
type head struct {
	_       structs.HostLayout
	state   atomic.Uint64
	cause   atomic.Uint64
	event   [lock.EventBytes]byte
	lock    [lock.RegionBytes]byte
	parties atomic.Uint32
	high    atomic.Uint32
	_       [8]byte
}

const headBytes = lock.LineBytes

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.state)]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.cause)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.event)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.lock)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.parties)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.high)-52]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

// headIn views the first bytes of mem as a barrier. It panics when mem is too short.
func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}
