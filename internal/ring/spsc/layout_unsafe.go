package spsc

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/ring"
)

// head starts the payload of an SPSC; the values follow it.
//
//	off  size  field     written by                          read by              initial
//	  0   112  Head      see ring.Head
//	112     4  producer  a process that takes the role, CAS  the next in the role 0: none, else an owner id
//	116     4  consumer  a process that takes the role, CAS  the next in the role 0
//	120     8  -
//	128     8  tail      producer                            consumer             start: earlier positions are published
//	256     8  freed     consumer, now and then              producer             start: earlier positions are free again
//	384     8  begun     producer                            a consumer that      start: earlier positions are published, or
//	                                                         finds it closed      being written
//	512     8  read      consumer                            producer, when full  start: earlier positions have been read
//
// The tail and freed are each on a pair of cache lines that moves between the processors. The words
// begun and read stay where they are written: the other end looks at them only before it sleeps, or
// when the queue is closed.
type head struct {
	_ structs.HostLayout
	ring.Head
	producer atomic.Uint32
	consumer atomic.Uint32
	_        [8]byte
	tail     atomic.Uint64
	_        [120]byte
	freed    atomic.Uint64
	_        [120]byte
	begun    atomic.Uint64
	_        [120]byte
	read     atomic.Uint64
	_        [120]byte
}

const headBytes = 640

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.producer)-112]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.consumer)-116]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.tail)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.freed)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.begun)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.read)-512]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

func (h *head) words() ring.CursorWords {
	return ring.CursorWords{Tail: &h.tail, Freed: &h.freed, Read: &h.read}
}

// CopyOut is copy, to places of the ring. Their cache lines are the consumer's.
func CopyOut[T any](dst, src []T) int {
	n := min(len(dst), len(src))
	cpu.CopyOut(bytesOf(dst[:n]), bytesOf(src[:n]))
	return n
}

// bytesOf views values, which have no pointers, as bytes.
func bytesOf[T any](vs []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vs))), uintptr(len(vs))*unsafe.Sizeof(*new(T)))
}

// FetchEvery is after how many messages of a stream a producer fetches places.
const FetchEvery = 8

// fetchBytes is how much is fetched ahead at most.
const fetchBytes = cpu.LongCopy

// Fetch has the cache lines of up to n places from a position on come from the consumer's
// processor, as far as there is room: each write to one of them would wait for it otherwise. In a
// conversation it does harm: there the consumer already looks for the next message, and takes its
// lines back.
func (r *Ring) Fetch(p, n uint64) {
	room := uint64(max(int64(r.Put.Until-p), 0))
	n = min(n, room, r.toEnd(p), fetchBytes/uint64(r.stride))
	cpu.PrefetchWrite(unsafe.Slice(r.Place(p), uintptr(n)*r.stride))
}

// FetchAfter is Fetch behind a batch of n messages. A batch that is copied past the cache needs
// none.
func (r *Ring) FetchAfter(p, n uint64) {
	if n*uint64(r.stride) < cpu.LongCopy {
		r.Fetch(p, n)
	}
}
