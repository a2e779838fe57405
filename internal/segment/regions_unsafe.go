package segment

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// entry is one object in the directory. After it come the users: a bit per slot of the process
// table.
//
//	off  size  field        written by    read by   invariant
//	  0     8  state        lock holder   all       bits 0..1 see directory.go; bits 2..63 serial
//	  8     4  next         lock holder   lookups   1 + next of the chain or free list, or 0
//	 12     4  hash         creator       all       of the name
//	 16     4  kind         creator       all
//	 20     4  nameBytes    creator       all       0: it has no name
//	 24     8  block        creator       all       offset of the object's block
//	 32     8  size         creator       all       bytes of the payload
//	 40     4  typeBytes    creator       all
//	 44     4  payload      creator       all       where the payload begins, from the block
//	 48     4  nextRetired  lock holder   -         1 + next entry of the ring; derived
//	 52     4  layout       creator       all       version of the kind's payload
//	 56     8  -                                    zeros
//
// The creator writes everything before the state says that there is an object.
type entry struct {
	_           structs.HostLayout
	state       atomic.Uint64
	next        atomic.Uint32
	hash        uint32
	kind        uint32
	nameBytes   uint32
	block       uint64
	size        uint64
	typeBytes   uint32
	payload     uint32
	nextRetired uint32
	layout      uint32
	_           [8]byte
}

// block starts every piece of the heap.
//
//	off  size  field  written by    invariant
//	  0     8  word   lock holder   bits 6..62 bytes of the block with its header, bit 0 in use
//	  8     8  before lock holder   bytes of the block before this one, 0 for the first; derived
//	 16     8  tag    allocator     what it belongs to: 1 + entry; ownerTag with an owner id and a mark; or a part, see parts.go
//	 24     8  next   lock holder   free: next block of the free list, an offset; derived
//	 32     8  prev   lock holder   free: the one before it, or 0; derived. In use: payload
type block struct {
	_      structs.HostLayout
	word   atomic.Uint64
	before uint64
	tag    atomic.Uint64
	next   uint64
	prev   uint64
	_      [24]byte
}

const (
	entryStructBytes = 64
	blockStructBytes = 64
	blockHeaderBytes = 32 // what an allocated block keeps: prev and what follows are the user's
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(entry{})-entryStructBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(entry{}.nextRetired)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(entry{}.layout)-52]
	_ = [1]struct{}{}[unsafe.Sizeof(block{})-blockStructBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(block{}.prev)-blockHeaderBytes]
)

// bucket is the head of a chain: 1 + the first entry, or 0. The caller keeps i in range.
func (d *directory) bucket(i uint32) *atomic.Uint32 {
	off := d.geo.buckets + uint64(i)*4
	return (*atomic.Uint32)(unsafe.Pointer(&d.mem[off : off+4][0]))
}

// entry is the i-th entry. The caller keeps i below maxObjects.
func (d *directory) entry(i uint32) *entry {
	off := d.geo.entries + uint64(i)*uint64(d.geo.entryBytes)
	return (*entry)(unsafe.Pointer(&d.mem[off : off+entryStructBytes][0]))
}

// entryIn views a copy of an entry.
func entryIn(mem []byte) *entry {
	_ = mem[entryStructBytes-1]
	return (*entry)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// userWord is the word of the users bits of the i-th entry that holds the slot's bit.
func (d *directory) userWord(i uint32, slot int) *atomic.Uint64 {
	off := d.geo.entries + uint64(i)*uint64(d.geo.entryBytes) + entryStructBytes + uint64(slot)/64*8
	return (*atomic.Uint64)(unsafe.Pointer(&d.mem[off : off+8][0]))
}

// block is the block at off. The caller has checked off with blockOK.
func (d *directory) block(off uint64) *block {
	return (*block)(unsafe.Pointer(&d.mem[off : off+blockStructBytes][0]))
}

// wordIn views the first 8 bytes of mem, a part of a payload, as a word.
func wordIn(mem []byte) *atomic.Uint64 {
	_ = mem[7]
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(mem)))
}
