package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// EventFlagBytes is how much shared memory an [Event] needs, aligned to 8 bytes. Zeros are one that is not set.
const EventFlagBytes = 32

// eventFlag is an event in shared memory.
//
//	off  size  field  written by                       read by    initial
//	  0     4  word   who sets or clears it, CAS       everybody  0
//	  4    12  -
//	 16    16  count  who is about to sleep, who sets  who sets   0; an event count
type eventFlag struct {
	_     structs.HostLayout
	word  atomic.Uint32
	_     [12]byte
	count event
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(eventFlag{}.word)]
	_ = [1]struct{}{}[unsafe.Offsetof(eventFlag{}.count)-eventCountAt]
	_ = [1]struct{}{}[unsafe.Sizeof(eventFlag{})-EventFlagBytes]
)

// eventCountAt is where the event count lies.
const eventCountAt = 16

// eventFlagIn views the first bytes of mem as an event. It panics when mem is too short.
func eventFlagIn(mem []byte) *eventFlag {
	_ = mem[EventFlagBytes-1]
	return (*eventFlag)(unsafe.Pointer(unsafe.SliceData(mem)))
}
