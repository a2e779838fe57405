package event

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

// Bytes is how much shared memory a [Flag] needs, aligned to 8 bytes. Zeros are one that is not
// set.
const Bytes = 32

// region is an event in shared memory.
//
//	off  size  field  written by                       read by    initial
//	  0     4  word   setters and clearers, CAS        all        0
//	  4    12  -
//	 16    16  count  waiters, setters                 setters    0; an event count
type region struct {
	_     structs.HostLayout
	word  atomic.Uint32
	_     [12]byte
	count lock.EventRegion
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.word)]
	_ = [1]struct{}{}[unsafe.Offsetof(region{}.count)-countOffset]
	_ = [1]struct{}{}[unsafe.Sizeof(region{})-Bytes]
)

// countOffset is where the event count lies.
const countOffset = 16

// regionIn views the first bytes of mem as an event. It panics when mem is too short.
func regionIn(mem []byte) *region {
	_ = mem[Bytes-1]
	return (*region)(unsafe.Pointer(unsafe.SliceData(mem)))
}
