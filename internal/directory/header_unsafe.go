package directory

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	// HeaderBytes is the size of the header.
	HeaderBytes = 4096
	// BinCount is how many lists of free blocks there are.
	BinCount = 64

	immutableBytes = 96 // the checksum covers what lies before it
	lockOffset     = 192
)

// A Header is the first page of a segment.
//
//	off  size  field         written by             read by    invariant
//	  0     8  magic         creator                opener     magic
//	  8     4  version       creator                opener     version
//	 12     4  word          creator                opener     bytes of a pointer; byte order in bits 8..15
//	 16     4  slots         creator                opener     1..proctab.MaxSlots
//	 20     4  maxObjects    creator                opener     power of two
//	 24     8  size          creator                opener     bytes of the file
//	 32    16  identity      creator                opener     random
//	 48     8  table         creator                opener     offset of the process table
//	 56     8  board         creator                opener     offset of the table of waits
//	 64     8  buckets       creator                opener     offset of the hash table
//	 72     8  entries       creator                opener     offset of the entries
//	 80     8  heap          creator                opener     offset of the heap, which ends with the file
//	 88     4  entryBytes    creator                opener     multiple of 64
//	 92     4  checksum      creator                opener     CRC-32C of bytes 0..91
//	128    16  boot          creator, first opener after a boot (under a byte lock); zeros: unknown
//	192    16  lock          package lock
//	256     8  changes       lock holder            lookups    odd: chains are being taken apart
//	264     8  serial        lock holder            -          of the newest object
//	272     4  used          lock holder            all        entries [0, used) have been used
//	276     4  freeEntry     lock holder            -          1 + first entry of the free list, or 0; derived
//	280     4  live          lock holder            people     objects; derived
//	284     4  retired       lock holder            all        objects in the ring of retired ones; derived
//	288     8  entriesReal   lock holder            all        bytes of the entries region that are reserved
//	296     4  lastRetired   lock holder            -          1 + last entry of that ring, or 0; derived
//	300     4  removals      removers               all        futex: how many removals were announced
//	304     4  asked         where room lacks       all        futex: requests to give back
//	308     4  listening     all                    removers   not 0: a process may sleep on removals
//	320     8  brk           lock holder            all        end of the last block
//	328     8  high          lock holder            -          beyond it the heap was never used: zeros
//	336     8  heapReal      lock holder            all        bytes of the heap that are reserved, from its start
//	344     8  last          lock holder            -          bytes of the last block; derived
//	352     8  freeBytes     lock holder            -          bytes in the free lists; derived
//	384   512  bins          lock holder            -          heads of the free lists; derived
//	896  2112  incidents     package proctab        people     deaths and their consequences
type Header struct {
	_           structs.HostLayout
	Magic       uint64
	Version     uint32
	Word        uint32
	Slots       uint32
	MaxObjects  uint32
	Size        uint64
	Identity    Identity
	Table       uint64
	Board       uint64
	Buckets     uint64
	Entries     uint64
	Heap        uint64
	EntryBytes  uint32
	Checksum    uint32
	_           [32]byte
	Boot        [2]atomic.Uint64
	_           [48]byte
	Lock        [16]byte
	_           [48]byte
	Changes     atomic.Uint64
	Serial      uint64
	Used        atomic.Uint32
	FreeEntry   uint32
	Live        atomic.Uint32
	Retired     atomic.Uint32
	EntriesReal atomic.Uint64
	LastRetired uint32
	Removals    atomic.Uint32
	Asked       atomic.Uint32
	Listening   atomic.Uint32
	_           [8]byte
	Brk         atomic.Uint64
	High        uint64
	HeapReal    atomic.Uint64
	Last        uint64
	FreeBytes   uint64
	_           [24]byte
	Bins        [BinCount]uint64
	Incidents   [proctab.IncidentBytes]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.Checksum)+4-immutableBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.Boot)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.Lock)-lockOffset]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.Changes)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.EntriesReal)-288]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.Brk)-320]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.FreeBytes)-352]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.Bins)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(Header{}.Incidents)-896]
	_ = [1]struct{}{}[unsafe.Sizeof(Header{})/(HeaderBytes+1)]
)

// HeaderIn views the first bytes of mem as a header.
func HeaderIn(mem []byte) *Header {
	_ = mem[HeaderBytes-1]
	return (*Header)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// RemovalsWord is a word to sleep on while that many removals have been announced.
func (h *Header) RemovalsWord(value uint32) futex.Word {
	return futex.Word{Addr: (*uint32)(unsafe.Pointer(&h.Removals)), Val: value}
}

// AskedWord is a word to sleep on while there were that many requests to give back.
func (h *Header) AskedWord(value uint32) futex.Word {
	return futex.Word{Addr: (*uint32)(unsafe.Pointer(&h.Asked)), Val: value}
}

const wordBytes = uint32(unsafe.Sizeof(uintptr(0)))
