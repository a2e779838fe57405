package seqlock

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/ring"
)

// head starts the payload of a Broadcast; the slots follow it. Readers sleep for NotEmpty.
//
//	off  size  field   written by                          read by               initial
//	  0   112  Head    see ring.Head
//	112     8  first   creator                             readers               position of the first message
//	120     4  writer  a process that takes the role, CAS  the next in the role  0: none, else an owner id
//	124     4  -
//	128     8  next    writer                              readers now and then  first: earlier positions are published
//	256     -  slots
type head struct {
	_ structs.HostLayout
	ring.Head
	first  uint64
	writer atomic.Uint32
	_      [4]byte
	next   atomic.Uint64
	_      [120]byte
}

// A Slot is one place of the ring; the value follows it.
//
//	off  size  field     written by  read by
//	  0     8  sequence  writer      readers   2p+1: the message of position p is being written; 2p+2: it is there
//	  8        value     writer      readers
type Slot struct {
	_        structs.HostLayout
	sequence atomic.Uint64
}

const (
	headBytes = 256
	slotBytes = 8
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.first)-112]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.writer)-120]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.next)-128]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(Slot{})-slotBytes]
)

func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// slotIn views a copy of a slot.
func slotIn(mem []byte) *Slot {
	_ = mem[slotBytes-1]
	return (*Slot)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// slot is where the message of a position goes.
func (r *Ring) slot(p uint64) *Slot {
	return (*Slot)(unsafe.Add(unsafe.Pointer(r.slots), uintptr(p&r.mask)*r.stride))
}

// Value views what the slot holds as a T.
func Value[T any](s *Slot) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(s), slotBytes))
}

// Read copies the message of a position to v, if it is there. Otherwise it returns the number of
// its slot, and v may be torn.
func Read[T any](r *Ring, p uint64, v *T) (seen uint64, ok bool) {
	s, want := r.slot(p), complete(p)
	// SYNC: sequence: the value that belongs to the number was written before it.
	if seen = s.sequence.Load(); seen != want {
		return seen, false
	}
	*v = *Value[T](s)
	cpu.LoadFence() // the copy was made before the number is looked at again
	if seen = s.sequence.Load(); seen != want {
		return seen, false
	}
	r.filled.Acquire()
	return seen, true
}
