package queue

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
)

// spscHead starts the payload of an SPSC; the values follow it.
//
//	off  size  field      written by                      read by               initial
//	  0     8  capacity   creator                         opener                a power of two
//	  8     4  closed     Close                           everybody             0; 1: closed, for good
//	 12     4  producer   who takes the role, CAS         who takes the role    0: ring.Nobody, else an owner id
//	 16     4  consumer   who takes the role, CAS         who takes the role    0
//	 20     4  -
//	 24     8  abandoned  who takes the producer's role   Stats                 0
//	 32    16  notEmpty   package lock
//	 48    16  notFull    package lock
//	 64    32  tally      see there
//	128     8  tail       producer                        consumer              start: earlier positions are published
//	256     8  freed      consumer, now and then          producer              start: earlier positions are free again
//	384     8  begun      producer                        closing consumer      start: earlier positions are published or being written
//	512     8  read       consumer                        producer, when full   start: earlier positions have been read
//
// tail and freed are each on a pair of cache lines that moves between the processors. begun
// and read stay where they are written: nobody looks at them before it comes to the worst.
type spscHead struct {
	_         structs.HostLayout
	capacity  uint64
	closed    atomic.Uint32
	producer  atomic.Uint32
	consumer  atomic.Uint32
	_         [4]byte
	abandoned atomic.Uint64
	notEmpty  [lock.EventBytes]byte
	notFull   [lock.EventBytes]byte
	tally     ring.Counters
	_         [64 - ring.CountersBytes]byte
	tail      atomic.Uint64
	_         [120]byte
	freed     atomic.Uint64
	_         [120]byte
	begun     atomic.Uint64
	_         [120]byte
	read      atomic.Uint64
	_         [120]byte
}

const spscHeadBytes = 640

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(spscHead{}.abandoned)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(spscHead{}.notFull)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(spscHead{}.tally)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(spscHead{}.tail)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(spscHead{}.freed)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(spscHead{}.begun)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(spscHead{}.read)-512]
	_ = [1]struct{}{}[unsafe.Sizeof(spscHead{})-spscHeadBytes]
)

func spscHeadIn(mem []byte) *spscHead {
	_ = mem[spscHeadBytes-1]
	return (*spscHead)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// spscRun views the values from a position on as a slice of at most n. It ends at the end of the ring at the latest, and
// after the first value where there are gaps between values. N must not be 0.
func spscRun[T any](r *spsc, p, n uint64) []T {
	first := spscValue[T](r, p)
	if r.stride != unsafe.Sizeof(*first) {
		return unsafe.Slice(first, 1)
	}
	return unsafe.Slice(first, min(n, r.capacity()-p&r.mask))
}

// copyRun is copy, to places of the ring. Their cache lines are the consumer's.
func copyRun[T any](dst, src []T) int {
	n := min(len(dst), len(src))
	cpu.CopyOut(bytesOf(dst[:n]), bytesOf(src[:n]))
	return n
}

// bytesOf views values, which have no pointers, as bytes.
func bytesOf[T any](vs []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vs))), uintptr(len(vs))*unsafe.Sizeof(*new(T)))
}

// fetch has the cache lines of up to n places from a position on come from the consumer's processor, as far as there is room: each
// write to one of them would wait for it otherwise. In a conversation it does harm: there the consumer looks for the next message
// already, and takes its lines back.
func (r *spsc) fetch(p, n uint64) {
	n = min(n, uint64(max(int64(r.put.until-p), 0)), r.capacity()-p&r.mask, fetchBytes/uint64(r.stride))
	cpu.PrefetchWrite(unsafe.Slice(r.place(p), uintptr(n)*r.stride))
}

// fetchBytes is how much is fetched ahead at most.
const (
	fetchBytes = cpu.LongCopy
	fetchEvery = 8
)

// place is where the value of a position begins.
func (r *spsc) place(p uint64) *byte {
	return (*byte)(unsafe.Add(unsafe.Pointer(r.first), uintptr(p&r.mask)*r.stride))
}

// spscValue views the value of a position as a T.
func spscValue[T any](r *spsc, p uint64) *T {
	return (*T)(unsafe.Pointer(r.place(p)))
}
