package record

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// head starts the payload of a Bytes; the ring of records follows it, and the counts of tasks, if
// it is joinable.
//
//	off  size  field    written by      read by    initial
//	  0   112  Head     see ring.Head; the capacity is that of the ring, in bytes
//	112     8  longest  creator         opener     bytes of the longest message
//	120     8  -
//	128    16  putLock  package lock
//	144     8  tail     under putLock   consumers  start: earlier positions have been given to records
//	152     8  puts     under putLock   Stats      0: messages begun
//	160     8  bytes    under putLock   Stats      0: their bytes
//	256    16  getLock  package lock
//	272     8  take     under getLock   consumers  start: earlier records have been taken, or skipped
//	280     8  free     under getLock   producers  start: earlier positions are free again
//	288     8  gets     under getLock   Stats      0: messages taken or skipped
type head struct {
	_ structs.HostLayout
	ring.Head
	longest uint64
	_       [8]byte
	putLock [lock.RegionBytes]byte
	tail    atomic.Uint64
	puts    atomic.Uint64
	bytes   atomic.Uint64
	_       [88]byte
	getLock [lock.RegionBytes]byte
	take    atomic.Uint64
	free    atomic.Uint64
	gets    atomic.Uint64
	_       [88]byte
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
	headBytes   = 384
	recordBytes = 16
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.longest)-112]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.putLock)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.bytes)-160]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.getLock)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.gets)-288]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(record{})-recordBytes]
)

func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// recordIn views a copy of a record.
func recordIn(mem []byte) *record {
	_ = mem[recordBytes-1]
	return (*record)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// record is the one at a position, which is a multiple of 8 and not in the last 8 bytes of the
// ring.
func (r *Ring) record(p uint64) *record {
	off := p & r.mask
	return (*record)(unsafe.Pointer(unsafe.SliceData(r.mem[off : off+recordBytes])))
}

// The state word of a record.
//
//	bits  0..30  bytes of the record, its head included; a multiple of 8
//	bits 31..60  owner id (see proctab.Owner) while writing or reading, else 0
//	bits 61..63  kind
const (
	recSizeMask   = 1<<31 - 1
	recOwnerShift = 31
	recKindShift  = recOwnerShift + proctab.OwnerBits

	recWriting uint64 = 1 << recKindShift
	recFull    uint64 = 2 << recKindShift
	recReading uint64 = 3 << recKindShift
	recAborted uint64 = 4 << recKindShift
	recDone    uint64 = 5 << recKindShift
	recKinds   uint64 = 7 << recKindShift

	// MaxLongest is the length of the longest message that a ring can have room for
	MaxLongest = 1 << 30 // so that every record's size fits into its word
)

func recWord(kind uint64, o proctab.Owner, size uint64) uint64 {
	return kind | uint64(o)<<recOwnerShift | size
}
func recOwner(w uint64) proctab.Owner { return proctab.Owner(w >> recOwnerShift & proctab.OwnerMask) }

// recordFor is the size of the record for a message of n bytes.
func recordFor(n uint64) uint64 { return (n+7)&^7 + recordBytes }

// gap makes a record that holds nothing.
func (r *Ring) gap(p, size uint64) {
	if size >= recordBytes {
		ring.StoreRelease(&r.record(p).state, recWord(recDone, ring.Nobody, size))
	}
}

// Content is the message of a claim, in shared memory.
func (r *Ring) Content(c Claim) []byte {
	start := c.p&r.mask + recordBytes
	return r.mem[start : start+c.n : start+c.n]
}

// at returns the word of the record at a position before end; false when its size cannot be
// right.
func (r *Ring) at(p, end uint64) (rec *record, w uint64, ok bool) {
	off := p & r.mask
	if off%8 != 0 || off > r.mask+1-recordBytes && off != r.mask+1-8 {
		return nil, 0, false
	}
	if off == r.mask+1-8 {
		// too little for a record: always a gap
		return nil, recWord(recDone, ring.Nobody, 8), end-p >= 8
	}
	rec = r.record(p)
	w = rec.state.Load()
	size := w & recSizeMask
	return rec, w, size%8 == 0 && size >= recordBytes && size <= end-p && off+size <= r.Capacity()
}

// lost makes a gap of the record of a dead owner, and counts it.
//
// What a death leaves behind: a gap that is not counted.
func (r *Ring) lost(rec *record, w uint64) {
	if rec.state.CompareAndSwap(w, recWord(recDone, ring.Nobody, w&recSizeMask)) {
		r.Shared.Abandoned.Add(1)
		as := lock.RoleGet
		if w&recKinds == recWriting {
			as = lock.RolePut
		}
		r.GaveUp(recOwner(w), as)
	}
}

// isGap reports whether no process needs the bytes of a record with this word.
func isGap(w uint64) bool { return w&recKinds == recDone || w&recKinds == recAborted }
