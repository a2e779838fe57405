package segment

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	headerBytes    = 4096
	immutableBytes = 96 // the checksum covers what lies before it
	binCount       = 64
	lockOffset     = 192
)

// header is the first page of a segment.
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
type header struct {
	_           structs.HostLayout
	magic       uint64
	version     uint32
	word        uint32
	slots       uint32
	maxObjects  uint32
	size        uint64
	identity    Identity
	table       uint64
	board       uint64
	buckets     uint64
	entries     uint64
	heap        uint64
	entryBytes  uint32
	checksum    uint32
	_           [32]byte
	boot        [2]atomic.Uint64
	_           [48]byte
	lock        [16]byte
	_           [48]byte
	changes     atomic.Uint64
	serial      uint64
	used        atomic.Uint32
	freeEntry   uint32
	live        atomic.Uint32
	retired     atomic.Uint32
	entriesReal atomic.Uint64
	lastRetired uint32
	removals    atomic.Uint32
	asked       atomic.Uint32
	listening   atomic.Uint32
	_           [8]byte
	brk         atomic.Uint64
	high        uint64
	heapReal    atomic.Uint64
	last        uint64
	freeBytes   uint64
	_           [24]byte
	bins        [binCount]uint64
	incidents   [proctab.IncidentBytes]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.checksum)+4-immutableBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.boot)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.lock)-lockOffset]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.changes)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.entriesReal)-288]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.brk)-320]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.freeBytes)-352]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.bins)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.incidents)-896]
	_ = [1]struct{}{}[unsafe.Sizeof(header{})/(headerBytes+1)]
)

// headerIn views the first bytes of mem as a header.
func headerIn(mem []byte) *header {
	_ = mem[headerBytes-1]
	return (*header)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// removalsWord and askedWord are words to sleep on while they hold that value.
func (h *header) removalsWord(value uint32) futex.Word {
	return futex.Word{Addr: (*uint32)(unsafe.Pointer(&h.removals)), Val: value}
}

func (h *header) askedWord(value uint32) futex.Word {
	return futex.Word{Addr: (*uint32)(unsafe.Pointer(&h.asked)), Val: value}
}

const wordBytes = uint32(unsafe.Sizeof(uintptr(0)))
