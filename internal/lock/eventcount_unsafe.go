package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// EventBytes is how much shared memory an event count needs, aligned to 8 bytes.
const EventBytes = 16

// event is an event count in shared memory.
//
//	off  size  field     written by                read by
//	  0     4  sequence  notifiers                 sleepers, the futex
//	  4     4  armed     sleepers 1, notifiers     notifiers: somebody may sleep
//	  8     8  -
type event struct {
	_        structs.HostLayout
	sequence atomic.Uint32
	armed    uint32 // atomic; notifiers load it without a fence before it
	_        [8]byte
}

var _ = [1]struct{}{}[unsafe.Sizeof(event{})-EventBytes]

func eventIn(mem []byte) *event {
	_ = mem[EventBytes-1]
	return (*event)(unsafe.Pointer(unsafe.SliceData(mem)))
}

func (e *event) futex() *uint32 { return (*uint32)(unsafe.Pointer(&e.sequence)) }
