package mpmc

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// head starts the payload of a Queue; the slots follow it, and the counts of tasks of a queue that
// is joinable.
//
//	off  size  field  written by      read by  initial
//	  0   112  Head   see ring.Head
//	112    16  -
//	128     8  put    all, CAS        all      0: each earlier position was claimed by a producer; see cursor
//	136   120  -
//	256     8  get    all, CAS        all      0: each earlier position was claimed by a consumer, or skipped
//	264   120  -
//
// A position is 64 bits wide and never wraps in practice.
type head struct {
	_ structs.HostLayout
	ring.Head
	_   [16]byte
	put atomic.Uint64 // alone on its pair of cache lines
	_   [120]byte
	get atomic.Uint64 // alone on its pair of cache lines
	_   [120]byte
}

// A Slot is one place of the ring; the value follows it.
//
//	off  size  field  written by                                             read by    initial
//	  0     8  state  claimant (CAS), its owner, the next process (CAS)      all        empty, lap 0
//	  8        value  producer while writing                                 consumer while reading
type Slot struct {
	_     structs.HostLayout
	state atomic.Uint64
}

const (
	headBytes = 384
	slotBytes = 8 // without the value
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.put)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.get)-256]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(Slot{})-slotBytes]
)

func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// slot is where the message of a position goes.
func (r *Ring) slot(p uint64) *Slot {
	return (*Slot)(unsafe.Add(unsafe.Pointer(r.first), uintptr(p&r.mask)*r.stride))
}

// slotIn views a slot in memory of this process's own.
func slotIn(mem []uint64) *Slot { return (*Slot)(unsafe.Pointer(unsafe.SliceData(mem))) }

// lap says which time round the ring a position is.
func (r *Ring) lap(p uint64) uint32 { return uint32(p >> r.shift) }

// Value views what the slot holds as a T. Slots have room for the element type of their queue.
func Value[T any](s *Slot) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(s), slotBytes))
}

// set changes the state after everything that was read and written before, without a full fence.
func (s *Slot) set(w uint64) { cpu.StoreRelease64((*uint64)(unsafe.Pointer(&s.state)), w) }

// The state word of a slot; see the table in the documentation of package queue.
//
//	bits  0..31  lap: which time round the ring this is; it wraps
//	bits 32..61  owner id (see proctab.Owner) while writing or reading, else 0
//	bits 62..63  phase
const (
	ownerShift = 32
	phaseShift = ownerShift + proctab.OwnerBits
	phaseMask  = 3 << phaseShift

	empty   uint64 = 0 << phaseShift
	writing uint64 = 1 << phaseShift
	full    uint64 = 2 << phaseShift
	reading uint64 = 3 << phaseShift
)

// The phase has the two bits that the owner and the lap leave.
var _ = [1]struct{}{}[phaseShift-62]

func wordOf(phase uint64, o proctab.Owner, lap uint32) uint64 {
	return phase | uint64(o)<<ownerShift | uint64(lap)
}

func phaseOf(w uint64) uint64        { return w & phaseMask }
func ownerOf(w uint64) proctab.Owner { return proctab.Owner(w >> ownerShift & proctab.OwnerMask) }
func lapOf(w uint64) uint32          { return uint32(w) }

// A stage says how far a slot is, seen from a lap: it only grows.
type stage int64

// The stages of the lap that they are seen from.
const (
	isEmpty stage = iota
	isWriting
	isFull
	isReading

	// isEmpty+perLap is empty for the next lap, isFull-perLap is still full from the last one
	perLap
)

// stageOf returns how far w is, seen from a lap. Laps wrap, so that their distance is what counts:
// no process is two thousand million laps late.
func stageOf(w uint64, lap uint32) stage {
	return perLap*stage(int32(lapOf(w)-lap)) + stage(w>>phaseShift)
}
