package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// rwHead is the part of a readers–writer lock in shared memory that all processes share. The seats follow.
//
//	off  size  field    written by                    read by                          initial
//	  0    16  writers  see region                    everybody                        0: free
//	 16     4  state    who holds writers             who takes it over, or only tries 0: rwOpen
//	 20     4  high     who claims a seat             who holds writers                0; see roster
//	 24     8  died     lockers that see a death      lockers that report it           0; see RecordDeaths
//	 32    16  drained  the writer who waits          readers who leave                0; see event
//	 48    16  opened   readers about to sleep        writers who leave                0; see event
//	 64        seats    its process; writers the bars who holds writers                0: nobody's; see rwmutex_seat.go
type rwHead struct {
	_       structs.HostLayout
	writers region
	state   atomic.Uint32
	high    atomic.Uint32
	died    atomic.Uint64
	drained event
	opened  event
}

const rwHeadBytes = 64

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(rwHead{}.writers)]
	_ = [1]struct{}{}[unsafe.Offsetof(rwHead{}.state)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(rwHead{}.high)-20]
	_ = [1]struct{}{}[unsafe.Offsetof(rwHead{}.died)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(rwHead{}.drained)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(rwHead{}.opened)-48]
	_ = [1]struct{}{}[unsafe.Sizeof(rwHead{})-rwHeadBytes]
)

// Where the parts of a readers–writer lock begin that are viewed as objects of their own.
const (
	rwObituaryOffset = unsafe.Offsetof(rwHead{}.died)
	rwDrainedOffset  = unsafe.Offsetof(rwHead{}.drained)
	rwOpenedOffset   = unsafe.Offsetof(rwHead{}.opened)
)

// RWMutexBytes is how much shared memory a readers–writer lock needs that so many processes use, aligned to a
// cache line. Zeros are a free lock.
func RWMutexBytes(processes int) int { return rwHeadBytes + rosterBytes(processes) }

// rwHeadIn views the first bytes of mem as the head of a readers–writer lock. It panics when mem is too short.
func rwHeadIn(mem []byte) *rwHead {
	_ = mem[rwHeadBytes-1]
	return (*rwHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}
