package rwmutex

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// head is the part of a readers–writer lock in shared memory that all processes share. The cells
// follow.
//
//	off  size  field    written by                    read by                          initial
//	  0    16  writers  see lock.MutexRegion          all                              0: free
//	 16     4  state    holder of writers             the next holder, all that try    0: stateOpen
//	 20     4  high     claimers of a cell            holder of writers                0; see lock.ProcSlots
//	 24     8  died     lockers that see a death      lockers that report it           0; see RecordDeaths
//	 32    16  drained  the writer that waits         readers that leave               0; a lock.EventRegion
//	 48    16  opened   readers about to sleep        writers that leave               0; a lock.EventRegion
//	 64        cells    its process; writers block it holder of writers                0: free; see cellWaits
type head struct {
	_       structs.HostLayout
	writers lock.MutexRegion
	state   atomic.Uint32
	high    atomic.Uint32
	died    atomic.Uint64
	drained lock.EventRegion
	opened  lock.EventRegion
}

const headBytes = 64

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.writers)]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.state)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.high)-20]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.died)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.drained)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.opened)-48]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

// Where the parts of a readers–writer lock begin that are viewed as objects of their own.
const (
	obituaryOffset = unsafe.Offsetof(head{}.died)
	drainedOffset  = unsafe.Offsetof(head{}.drained)
	openedOffset   = unsafe.Offsetof(head{}.opened)
)

// Bytes is how much shared memory a readers–writer lock needs that so many processes use, aligned
// to a cache line. Zeros are a free lock.
func Bytes(processes int) int { return headBytes + lock.ProcSlotsBytes(processes) }

// headIn views the first bytes of mem as the head of a readers–writer lock. It panics when mem is
// too short.
func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// stateAddress is where the state lies, for [cpu.StoreRelease32].
func (h *head) stateAddress() *uint32 { return (*uint32)(unsafe.Pointer(&h.state)) }

// What a process's cell counts in a readers–writer lock, see [lock.ProcSlots]:
//
//	bits 34..63  owner id of the process
//	bit  33      waits: readers of this process wait for a writer to leave, and have not had their turn since
//	bit  32      blocked: a writer has closed this process's way in
//	bit  31      left: the process closes its segment
//	bit  30      guard: 1, so that a RUnlock too many changes nothing above it before it is taken back
//	bits  0..29  how many readers of this process are inside, or about to find out that they are not
//
// A reader comes by adding one and leaves by subtracting one. It is inside if the bits above the
// count say so at this moment: then any writer that bars the cell later sees it counted. All that
// is read and changed at once is one word, and only its own process and the holder of writers write
// to it.
const (
	cellWaits   = 1 << 33
	cellBlocked = 1 << 32
	cellClosing = 1 << 31
	cellGuard   = 1 << 30
	cellCount   = cellGuard - 1

	// ReaderBits is how many bits of a cell count readers.
	ReaderBits = 30
)

// cellKey is what the bits above the count of the owner's cell are when the way in is open and no
// reader waits.
func cellKey(owner proctab.Owner) uint64 {
	return (uint64(owner)<<lock.CellOwnerShift | cellGuard) >> ReaderBits
}

// hasReaders reports whether the cell w counts a reader.
func hasReaders(w uint64) bool { return w&cellCount != 0 }

// hasTurn reports whether the process of the cell w waits for its readers' turn and may take it
// now.
func hasTurn(w uint64) bool { return w&(cellWaits|cellBlocked) == cellWaits }

// isOpen reports whether w, the cell of me, lets its readers in.
func isOpen(w uint64, me proctab.Owner) bool {
	return w&(cellBlocked|cellClosing|cellGuard) == cellGuard && lock.CellOwner(w) == me
}

// isWhole reports whether w can be the cell of me.
func isWhole(w uint64, me proctab.Owner) bool { return w&cellGuard != 0 && lock.CellOwner(w) == me }
