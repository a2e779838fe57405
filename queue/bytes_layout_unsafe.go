package queue

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
)

// bytesHead starts the payload of a Bytes; the ring of records follows it.
//
//	off  size  field      written by                  read by     initial
//	  0     8  size       creator                     opener      bytes of the ring, a power of two
//	  8     8  longest    creator                     opener      bytes of the longest message
//	 16     4  closed     Close, under putLock        everybody   0; 1: closed, for good
//	 20     4  joinable   creator                     opener      1: a seat per process for its tasks follows the ring
//	 24     8  abandoned  who frees a record          Stats       0
//	 32    16  notEmpty   package lock
//	 48    16  notFull    package lock
//	 64    16  joiners    package lock
//	 80    32  tally      see tally
//	128    16  putLock    package lock
//	144     8  tail       under putLock               consumers   start: earlier positions have been given to records
//	152     8  puts       under putLock               Stats       0: messages begun
//	160     8  bytes      under putLock               Stats       0: their bytes
//	256    16  getLock    package lock
//	272     8  take       under getLock               consumers   start: earlier records have been taken, or skipped
//	280     8  free       under getLock               producers   start: earlier positions are free again
//	288     8  gets       under getLock               Stats       0: messages taken or skipped
type bytesHead struct {
	_         structs.HostLayout
	size      uint64
	longest   uint64
	closed    atomic.Uint32
	joinable  uint32
	abandoned atomic.Uint64
	notEmpty  [lock.EventBytes]byte
	notFull   [lock.EventBytes]byte
	joiners   [lock.EventBytes]byte
	tally     ring.Counters
	_         [16]byte
	putLock   [lock.RegionBytes]byte
	tail      atomic.Uint64
	puts      atomic.Uint64
	bytes     atomic.Uint64
	_         [88]byte
	getLock   [lock.RegionBytes]byte
	take      atomic.Uint64
	free      atomic.Uint64
	gets      atomic.Uint64
	_         [88]byte
}

// record is a message, or a gap, in the ring; its bytes follow it. It never wraps.
//
//	off  size  field  written by                       read by
//	  0     8  state  producer; consumer (see recWord)  consumers
//	  8     8  length producer                          consumer: bytes of the message
type record struct {
	_      structs.HostLayout
	state  atomic.Uint64
	length atomic.Uint64
}

const (
	bytesHeadBytes = 384
	recordBytes    = 16
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(bytesHead{}.notFull)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(bytesHead{}.putLock)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(bytesHead{}.tally)-80]
	_ = [1]struct{}{}[unsafe.Offsetof(bytesHead{}.bytes)-160]
	_ = [1]struct{}{}[unsafe.Offsetof(bytesHead{}.getLock)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(bytesHead{}.gets)-288]
	_ = [1]struct{}{}[unsafe.Sizeof(bytesHead{})-bytesHeadBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(record{})-recordBytes]
)

func bytesHeadIn(mem []byte) *bytesHead {
	_ = mem[bytesHeadBytes-1]
	return (*bytesHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// record is the one at a position, which is a multiple of 8 and not in the last 8 bytes of the ring.
func (r *bytesRing) record(p uint64) *record {
	off := p & r.mask
	return (*record)(unsafe.Pointer(unsafe.SliceData(r.mem[off : off+recordBytes])))
}
