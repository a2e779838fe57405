package cast

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
)

// head starts the payload of a broadcast that waits. The states of the readers, their cells and the
// ring follow it. Readers sleep for NotEmpty, a writer without room for NotFull, and AwaitReaders
// for Joiners.
//
//	off  size  field     written by                read by            initial
//	  0   112  Head      see ring.Head
//	112     8  longest   creator                   all                bytes of the longest message; 0: fixed size
//	120     4  readers   creator                   all                cells, from 1 to 1024
//	124     4  traits    creator                   all                bits 0..1 ring.WhenFull, bit 2 many writers
//	128     8  tail      writer                    readers            start: earlier messages are published
//	256     8  begun     writer                    readers at close   start: end of the message under way
//	264     8  limit     writer                    late readers       start+capacity: nothing is written from here on
//	272     8  scans     writer, locked add        Stats              0: the fence of a look at the readers
//	280     8  expelled  writers                   Stats              0: readers that were expelled
//	288     8  messages  writer                    all                0: messages of any length that were begun
//	296     8  bytes     writer                    Stats              0: what those are long together
//	384     8  awaited   writer without room       readers            0: no writer waits; see awaitedWord
//	392     8  changes   subscribers, locked add   writers            0
//	400     4  high      subscribers, CAS          writers            0: cells from here on were never used
//	512     8  patience  creator                   writers            nanoseconds; 0: without limit
//	520     8  keep      creator                   writers            positions that are kept for late readers
//	528     8  first     creator                   Stats, Latest      start
//	536     4  writer    taker of the role, CAS    readers, takers    0: none, else an owner id; unused with many
//	544    16  turns     package lock                                 the writers' lock; unused with one
//	640    8n  states    one for each cell; see stateOf; padded to 128
//	     128n  cells     one for each reader
//	        -  ring      writers                   readers            128-aligned
//
// A position counts messages of fixed size, or bytes. It may wrap.
type head struct {
	_ structs.HostLayout
	ring.Head
	longest  uint64
	readers  uint32
	traits   uint32
	tail     atomic.Uint64
	_        [120]byte
	begun    atomic.Uint64
	limit    atomic.Uint64
	scans    atomic.Uint64
	expelled atomic.Uint64
	messages atomic.Uint64
	bytes    atomic.Uint64
	_        [80]byte
	awaited  atomic.Uint64
	changes  atomic.Uint64
	high     atomic.Uint32
	_        [108]byte
	patience uint64
	keep     uint64
	first    uint64
	writer   atomic.Uint32
	_        [4]byte
	turns    [lock.RegionBytes]byte
	_        [80]byte
}

// A cell is what one reader writes, on cache lines of its own.
//
//	off  size  field   written by                        read by
//	  0     8  cursor  its reader                        writers, seldom: earlier messages have been read
//	  8     8  fences  its reader; a locked add fences   -
//	 16   112  -
type cell struct {
	_      structs.HostLayout
	cursor atomic.Uint64
	fences atomic.Uint64
	_      [112]byte
}

// A record starts a message of any length. It lies at a multiple of recordAlign, and is rounded up
// to that, so that no two records share a cache line. It never wraps.
//
//	off  size  field   written by  read by
//	  0     8  length  writer      readers  bytes of the message; gap: nothing up to the end of the ring
//	  8     8  number  writer      readers  how many messages were begun before
//	 16        message
type record struct {
	_      structs.HostLayout
	length atomic.Uint64
	number atomic.Uint64
}

const (
	headBytes   = 640
	cellBytes   = 128
	recordBytes = 16
	recordAlign = 64
	gap         = ^uint64(0)

	limitAt = 264
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.longest)-112]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.readers)-120]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.traits)-124]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.tail)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.begun)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.limit)-limitAt]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.bytes)-296]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.awaited)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.high)-400]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.patience)-512]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.writer)-536]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.turns)-544]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(cell{}.fences)-8]
	_ = [1]struct{}{}[unsafe.Sizeof(cell{})-cellBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(record{}.number)-8]
	_ = [1]struct{}{}[unsafe.Sizeof(record{})-recordBytes]
)

// cellsAt is where the cells lie, and ringAt where the ring begins, with so many readers.
func cellsAt(readers uint32) int { return headBytes + (8*int(readers)+cellBytes-1)&^(cellBytes-1) }
func ringAt(readers uint32) int  { return cellsAt(readers) + cellBytes*int(readers) }

func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

func statesIn(mem []byte, readers uint32) []atomic.Uint64 {
	_ = mem[headBytes+8*int(readers)-1]
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(&mem[headBytes])), readers)
}

func cellsIn(mem []byte, readers uint32) []cell {
	_ = mem[ringAt(readers)-1]
	return unsafe.Slice((*cell)(unsafe.Pointer(&mem[cellsAt(readers)])), readers)
}

// recordIn views a copy of a record.
func recordIn(mem []byte) *record {
	_ = mem[recordBytes-1]
	return (*record)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// stateIn is the i-th state in a copy of them.
func stateIn(mem []byte, i int) uint64 {
	_ = mem[8*i+7]
	return (*atomic.Uint64)(unsafe.Pointer(&mem[8*i])).Load()
}

// place is where the message of a position begins.
func (r *Ring) place(p uint64) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(r.first), uintptr(p&r.mask)*r.stride)
}

// Value views the message of a position as a T. Places have room for the element type of their
// ring.
func Value[T any](r *Ring, p uint64) *T { return (*T)(r.place(p)) }

// Run views the messages from a position on as a slice of at most n, which is not 0. It ends at the
// end of the ring at the latest, and after the first message where there are gaps between messages.
func Run[T any](r *Ring, p, n uint64) []T {
	first := Value[T](r, p)
	if r.stride != unsafe.Sizeof(*first) {
		return unsafe.Slice(first, 1)
	}
	return unsafe.Slice(first, min(n, r.toEnd(p)))
}

// record views the record at a position, which is a multiple of recordAlign.
func (r *Ring) record(p uint64) *record { return (*record)(r.place(p)) }

// message views the n bytes of the record at a position. The caller has checked that they lie in
// the ring.
func (r *Ring) message(p, n uint64) []byte {
	off := p&r.mask + recordBytes
	return r.places[off : off+n : off+n]
}

const (
	// FetchEvery is after how many messages of fixed size a writer fetches places.
	FetchEvery = 8
	// fetchBytes is how much is fetched ahead at most.
	fetchBytes = 512
)

// Fetch has the cache lines of up to n places from a position on come from the readers' processors,
// as far as there is room: each write to one of them would wait for it otherwise. It is for
// streams, in which the last look has found a reader behind.
func (r *Ring) Fetch(p, n uint64) {
	room := uint64(max(int64(r.put.limit-p), 0))
	if n = min(n, room, r.toEnd(p), fetchBytes/uint64(r.stride)); n > 0 {
		cpu.PrefetchWrite(unsafe.Slice((*byte)(r.place(p)), uintptr(n)*r.stride))
	}
}
