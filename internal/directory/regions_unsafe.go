package directory

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// An Entry is one object in the directory. After it come the users: a bit per slot of the process
// table.
//
//	off  size  field        written by    read by   invariant
//	  0     8  state        lock holder   all       bits 0..1 see names.go; bits 2..63 serial
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
type Entry struct {
	_           structs.HostLayout
	State       atomic.Uint64
	Next        atomic.Uint32
	Hash        uint32
	Kind        uint32
	NameBytes   uint32
	Block       uint64
	Size        uint64
	TypeBytes   uint32
	Payload     uint32
	NextRetired uint32
	Layout      uint32
	_           [8]byte
}

// A Block starts every piece of the heap.
//
//	off  size  field  written by    invariant
//	  0     8  word   lock holder   bits 6..62 bytes of the block with its header, bit 0 in use
//	  8     8  before lock holder   bytes of the block before this one, 0 for the first; derived
//	 16     8  tag    allocator     what it belongs to: 1 + entry; ownerTag with an owner id and a mark; or a part, see parts.go
//	 24     8  next   lock holder   free: next block of the free list, an offset; derived
//	 32     8  prev   lock holder   free: the one before it, or 0; derived. In use: payload
type Block struct {
	_      structs.HostLayout
	Word   atomic.Uint64
	Before uint64
	Tag    atomic.Uint64
	Next   uint64
	Prev   uint64
	_      [24]byte
}

const (
	// EntryBytes is the size of an entry without its users.
	EntryBytes = 64
	// BlockHeaderBytes is what an allocated block keeps: prev and what follows are the user's.
	BlockHeaderBytes = 32

	blockStructBytes = 64
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(Entry{})-EntryBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(Entry{}.NextRetired)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(Entry{}.Layout)-52]
	_ = [1]struct{}{}[unsafe.Sizeof(Block{})-blockStructBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(Block{}.Prev)-BlockHeaderBytes]
)

// Bucket is the head of a chain: 1 + the first entry, or 0. The caller keeps i in range.
func (d *Directory) Bucket(i uint32) *atomic.Uint32 {
	off := d.geo.Buckets + uint64(i)*4
	return (*atomic.Uint32)(unsafe.Pointer(&d.mem[off : off+4][0]))
}

// Entry is the i-th entry. The caller keeps i below MaxObjects.
func (d *Directory) Entry(i uint32) *Entry {
	off := d.geo.Entries + uint64(i)*uint64(d.geo.EntryBytes)
	return (*Entry)(unsafe.Pointer(&d.mem[off : off+EntryBytes][0]))
}

// EntryIn views a copy of an entry.
func EntryIn(mem []byte) *Entry {
	_ = mem[EntryBytes-1]
	return (*Entry)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// userWord is the word of the users bits of the i-th entry that holds the slot's bit.
func (d *Directory) userWord(i uint32, slot int) *atomic.Uint64 {
	off := d.geo.Entries + uint64(i)*uint64(d.geo.EntryBytes) + EntryBytes + uint64(slot)/64*8
	return (*atomic.Uint64)(unsafe.Pointer(&d.mem[off : off+8][0]))
}

// Block is the block at off. The caller has checked off with hasBlock.
func (d *Directory) Block(off uint64) *Block {
	return (*Block)(unsafe.Pointer(&d.mem[off : off+blockStructBytes][0]))
}
