package directory

import (
	"math"
	"math/bits"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	// InUse is the bit of a block's word that tells that it is not free.
	InUse = 1
	// SizeMask are the bits of a block's word that are its size in bytes.
	SizeMask = (1<<63 - 1) &^ (LineBytes - 1)

	ownerTag = 1 << 32 // in a tag: the low half is an owner id, not an entry
	// in a tag with an owner id: where the mark is with which the block was given
	markShift = 33

	// MaxMark is the largest mark of a block that is given.
	MaxMark = 1<<31 - 1

	heapChunk = 256 << 10
)

// top is the end of the last block, or of the part of the heap that is reserved in the file when
// that comes before.
func (d *Directory) top() uint64 {
	h := HeaderIn(d.mem)
	return d.reach.within(min(h.Brk.Load(), d.geo.Heap+min(h.HeapReal.Load(), d.geo.Size-d.geo.Heap)))
}

// checkedTop is [Directory.top], or an error when the heap cannot end there.
func (d *Directory) checkedTop() (uint64, error) {
	top := d.top()
	if top != HeaderIn(d.mem).Brk.Load() || top < d.geo.Heap || top%LineBytes != 0 {
		return 0, d.Corrupt("the end of the heap is not in the heap")
	}
	return top, nil
}

// hasBlock reports whether a block can begin at off and end within the used heap.
func (d *Directory) hasBlock(off, size uint64) bool {
	top := d.top()
	return off >= d.geo.Heap && off%LineBytes == 0 && size >= LineBytes && off < top && size <= top-off
}

// binOf is the free list for blocks of size bytes: one per size up to 32 lines,
// then one per power of two.
func binOf(size uint64) int {
	lines := size / LineBytes
	if lines < 32 {
		return int(lines)
	}
	return min(27+bits.Len64(lines), BinCount-1) // 32..63 lines: 33
}

// alloc returns the offset of a block with room for n bytes after its header, under the lock. Its
// memory is zero if it is to be. Until something leads to it, its tag says what it belongs to.
//
// What a death leaves behind, for rebuild: a free block in no list, or one in use that nothing
// claims.
func (d *Directory) alloc(n, tag uint64, zero bool) (off uint64, err error) {
	if n > d.geo.Size {
		return 0, d.noSpace(n)
	}
	need := RoundUp(n+BlockHeaderBytes, LineBytes)
	off, size, err := d.takeFree(need, searchFew)
	if err != nil {
		return 0, err
	}
	if off == 0 {
		off, err = d.extend(need, tag)
		if !LacksRoom(err) {
			return off, err
		}
		var damage error
		if off, size, damage = d.takeFree(need, math.MaxUint64); damage != nil {
			return 0, damage
		}
		if off == 0 {
			return 0, err
		}
	}
	if rest := size - need; rest > 0 {
		d.split(off, need, rest)
	}
	b := d.Block(off)
	if zero {
		clear(d.mem[off+BlockHeaderBytes : off+need])
	}
	crashpoint.Here("heap.zeroed")
	b.Tag.Store(tag)
	crashpoint.Here("heap.tagged")
	b.Word.Store(need | InUse) // this store allocates the block
	crashpoint.Here("heap.allocated")
	return off, nil
}

// searchFew is how many blocks of a bin with different sizes are looked at before a
// larger bin, or the unused part of the heap, is taken instead.
const searchFew = 64

// takeFree unlinks a free block of at least need bytes; off is 0 when it finds
// none among the first blocks of each bin, most of them at most.
func (d *Directory) takeFree(need, most uint64) (off, size uint64, err error) {
	h := HeaderIn(d.mem)
	blocks := d.geo.Size / LineBytes // a longer list is damaged and has a cycle
	for bin := binOf(need); bin < BinCount; bin++ {
		steps := uint64(0)
		for off = h.Bins[bin]; off != 0 && steps < most; off = d.Block(off).Next {
			size = d.freeSize(off)
			if size == 0 || blocks == 0 {
				return 0, 0, d.Corrupt("a free list of the heap is damaged")
			}
			if size >= need {
				return off, size, d.unlinkFree(off, size)
			}
			steps++
			blocks--
		}
	}
	return 0, 0, nil
}

// freeSize is the size of the free block at off, or 0 when there is none.
func (d *Directory) freeSize(off uint64) uint64 {
	if !d.hasBlock(off, LineBytes) {
		return 0
	}
	w := d.Block(off).Word.Load()
	if w&InUse != 0 || !d.hasBlock(off, w&SizeMask) {
		return 0
	}
	return w & SizeMask
}

// split cuts the free block at off after need bytes and lists the rest.
func (d *Directory) split(off, need, rest uint64) {
	r := d.Block(off + need)
	r.Before = need
	r.Word.Store(rest)
	crashpoint.Here("heap.rest")
	d.Block(off).Word.Store(need) // this store splits the block
	crashpoint.Here("heap.split")
	d.tellNext(off+need, rest)
	crashpoint.Here("heap.resttold")
	d.listFree(off+need, rest)
}

// extend makes a new block at the break.
func (d *Directory) extend(need, tag uint64) (uint64, error) {
	h := HeaderIn(d.mem)
	off, err := d.checkedTop()
	if err != nil {
		return 0, err
	}
	if need > d.geo.Size-off {
		return 0, d.noSpace(need)
	}
	if err := d.reserve(off + need - d.geo.Heap); err != nil {
		return 0, err
	}
	if d.reach.within(off+need) < off+need {
		return 0, d.ClosedError()
	}
	if dirty := min(h.High, off+need); dirty > off {
		clear(d.mem[off:dirty])
	}
	crashpoint.Here("heap.cleared")
	h.High = max(h.High, off+need)
	crashpoint.Here("heap.high")
	b := d.Block(off)
	b.Before = h.Last
	b.Tag.Store(tag)
	crashpoint.Here("heap.writing")
	b.Word.Store(need | InUse)
	crashpoint.Here("heap.written")
	h.Brk.Store(off + need) // this store makes the block
	crashpoint.Here("heap.extended")
	h.Last = need
	return off, nil
}

// OwnerTag is the tag of a block that belongs to a process, with the mark for which it was given to
// it.
func OwnerTag(o proctab.Owner, mark uint32) uint64 {
	return ownerTag | uint64(o) | uint64(mark&MaxMark)<<markShift
}

func ownerOfTag(tag uint64) proctab.Owner { return proctab.Owner(tag & proctab.OwnerMask) }

// reserve makes the first n bytes of the heap real.
func (d *Directory) reserve(n uint64) error {
	h := HeaderIn(d.mem)
	have := h.HeapReal.Load()
	if n <= have {
		return nil
	}
	ahead := min(RoundUp(n, heapChunk), d.geo.Size-d.geo.Heap)
	err := mapping.Reserve(d.file, int64(d.geo.Heap+have), int64(ahead-have))
	if err != nil { // perhaps the part that is needed fits
		ahead = n
		err = mapping.Reserve(d.file, int64(d.geo.Heap+have), int64(ahead-have))
	}
	if err != nil {
		return NameInNoSpace(err, d.path)
	}
	crashpoint.Here("heap.reserved")
	h.HeapReal.Store(ahead)
	return nil
}

func (d *Directory) noSpace(need uint64) error {
	h := HeaderIn(d.mem)
	free := d.geo.Size - min(h.Brk.Load(), d.geo.Size)
	free += min(h.FreeBytes, d.geo.Size-free)
	return &mapping.NoSpaceError{Path: d.path, Need: int64(min(need, 1<<62)), Free: int64(free), Segment: true}
}
