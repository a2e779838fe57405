package queue

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

// broadcastHead starts the payload of a Broadcast; the slots follow it.
//
//	off  size  field      written by                     read by               initial
//	  0     8  capacity   creator                        opener                a power of two
//	  8     8  first      creator                        readers               position of the first message
//	 16     4  closed     Close                          everybody             0; 1: closed, for good
//	 20     4  writer     who takes the role, CAS        who takes the role    0: ring.Nobody, else an owner id
//	 24     8  abandoned  who takes the role             Stats                 0
//	 32    16  news       package lock
//	 48     8  waits      readers going to sleep         Stats                 0
//	128     8  next       writer                         readers now and then  first: earlier positions are published
//	256     -  slots
type broadcastHead struct {
	_         structs.HostLayout
	capacity  uint64
	first     uint64
	closed    atomic.Uint32
	writer    atomic.Uint32
	abandoned atomic.Uint64
	news      [lock.EventBytes]byte
	waits     atomic.Uint64
	_         [72]byte
	next      atomic.Uint64
	_         [120]byte
}

// A broadcastSlot is one place of the ring; the value follows it.
//
//	off  size  field     written by  read by
//	  0     8  sequence  writer      readers   2p+1: the message of position p is being written; 2p+2: it is there
//	  8        value     writer      readers
type broadcastSlot struct {
	_        structs.HostLayout
	sequence atomic.Uint64
}

const (
	broadcastHeadBytes = 256
	broadcastSlotBytes = 8
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(broadcastHead{}.writer)-20]
	_ = [1]struct{}{}[unsafe.Offsetof(broadcastHead{}.news)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(broadcastHead{}.waits)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(broadcastHead{}.next)-128]
	_ = [1]struct{}{}[unsafe.Sizeof(broadcastHead{})-broadcastHeadBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(broadcastSlot{})-broadcastSlotBytes]
)

func broadcastHeadIn(mem []byte) *broadcastHead {
	_ = mem[broadcastHeadBytes-1]
	return (*broadcastHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// slot is where the message of a position goes.
func (r *broadcast) slot(p uint64) *broadcastSlot {
	return (*broadcastSlot)(unsafe.Add(unsafe.Pointer(r.slots), uintptr(p&r.mask)*r.stride))
}

// broadcastValue views what the slot holds as a T.
func broadcastValue[T any](s *broadcastSlot) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(s), broadcastSlotBytes))
}
