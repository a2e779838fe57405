package segment

import (
	"math"
	"math/bits"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	inUse    = 1 // bit of a block's word
	sizeMask = (1<<63 - 1) &^ (lineBytes - 1)
	ownerTag = 1 << 32 // in a tag: the low half is an owner id, not an entry
	// in a tag with an owner id: where the mark is with which the block was given
	markShift = 33

	// MaxMark is the largest mark of a block that is given.
	MaxMark = 1<<31 - 1

	heapChunk = 256 << 10
)

// top is the end of the last block, or of the part of the heap that is reserved in the file when
// that comes before.
func (d *directory) top() uint64 {
	h := headerIn(d.mem)
	return d.reach.within(min(h.brk.Load(), d.geo.heap+min(h.heapReal.Load(), d.geo.size-d.geo.heap)))
}

// checkedTop is [Segment.top], or an error when the heap cannot end there.
func (d *directory) checkedTop() (uint64, error) {
	top := d.top()
	if top != headerIn(d.mem).brk.Load() || top < d.geo.heap || top%lineBytes != 0 {
		return 0, d.corrupt("the end of the heap is not in the heap")
	}
	return top, nil
}

// blockOK reports whether a block can begin at off and end within the used heap.
func (d *directory) blockOK(off, size uint64) bool {
	top := d.top()
	return off >= d.geo.heap && off%lineBytes == 0 && size >= lineBytes && off < top && size <= top-off
}

// binOf is the free list for blocks of size bytes: one per size up to 32 lines,
// then one per power of two.
func binOf(size uint64) int {
	lines := size / lineBytes
	if lines < 32 {
		return int(lines)
	}
	return min(27+bits.Len64(lines), binCount-1) // 32..63 lines: 33
}

// alloc returns the offset of a block with room for n bytes after its header, under the lock. Its
// memory is zero if it is to be. Until something leads to it, its tag says what it belongs to.
//
// What a death leaves behind, for rebuild: a free block in no list, or one in use that nothing
// claims.
func (d *directory) alloc(n, tag uint64, zero bool) (off uint64, err error) {
	if n > d.geo.size {
		return 0, d.noSpace(n)
	}
	need := roundUp(n+blockHeaderBytes, lineBytes)
	off, size, err := d.takeFree(need, searchFew)
	if err != nil {
		return 0, err
	}
	if off == 0 {
		off, err = d.extend(need, tag)
		if !lacksRoom(err) {
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
	b := d.block(off)
	if zero {
		clear(d.mem[off+blockHeaderBytes : off+need])
	}
	crashpoint.Here("heap.zeroed")
	b.tag.Store(tag)
	crashpoint.Here("heap.tagged")
	b.word.Store(need | inUse) // this store allocates the block
	crashpoint.Here("heap.allocated")
	return off, nil
}

// searchFew is how many blocks of a bin with different sizes are looked at before a
// larger bin, or the unused part of the heap, is taken instead.
const searchFew = 64

// takeFree unlinks a free block of at least need bytes; off is 0 when it finds
// none among the first blocks of each bin, most of them at most.
func (d *directory) takeFree(need, most uint64) (off, size uint64, err error) {
	h := headerIn(d.mem)
	blocks := d.geo.size / lineBytes // a longer list is damaged and has a cycle
	for bin := binOf(need); bin < binCount; bin++ {
		steps := uint64(0)
		for off = h.bins[bin]; off != 0 && steps < most; off = d.block(off).next {
			size = d.freeSize(off)
			if size == 0 || blocks == 0 {
				return 0, 0, d.corrupt("a free list of the heap is damaged")
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
func (d *directory) freeSize(off uint64) uint64 {
	if !d.blockOK(off, lineBytes) {
		return 0
	}
	w := d.block(off).word.Load()
	if w&inUse != 0 || !d.blockOK(off, w&sizeMask) {
		return 0
	}
	return w & sizeMask
}

// split cuts the free block at off after need bytes and lists the rest.
func (d *directory) split(off, need, rest uint64) {
	r := d.block(off + need)
	r.before = need
	r.word.Store(rest)
	crashpoint.Here("heap.rest")
	d.block(off).word.Store(need) // this store splits the block
	crashpoint.Here("heap.split")
	d.tellNext(off+need, rest)
	crashpoint.Here("heap.resttold")
	d.listFree(off+need, rest)
}

// extend makes a new block at the break.
func (d *directory) extend(need, tag uint64) (uint64, error) {
	h := headerIn(d.mem)
	off, err := d.checkedTop()
	if err != nil {
		return 0, err
	}
	if need > d.geo.size-off {
		return 0, d.noSpace(need)
	}
	if err := d.reserve(off + need - d.geo.heap); err != nil {
		return 0, err
	}
	if d.reach.within(off+need) < off+need {
		return 0, d.closed()
	}
	if dirty := min(h.high, off+need); dirty > off {
		clear(d.mem[off:dirty])
	}
	crashpoint.Here("heap.cleared")
	h.high = max(h.high, off+need)
	crashpoint.Here("heap.high")
	b := d.block(off)
	b.before = h.last
	b.tag.Store(tag)
	crashpoint.Here("heap.writing")
	b.word.Store(need | inUse)
	crashpoint.Here("heap.written")
	h.brk.Store(off + need) // this store makes the block
	crashpoint.Here("heap.extended")
	h.last = need
	return off, nil
}

// ownerTagOf is the tag of a block that belongs to a process until something leads to it.
func ownerTagOf(o proctab.Owner) uint64 { return ownerTag | uint64(o) }

func ownerOfTag(tag uint64) proctab.Owner { return proctab.Owner(tag & proctab.OwnerMask) }

// reserve makes the first n bytes of the heap real.
func (d *directory) reserve(n uint64) error {
	h := headerIn(d.mem)
	have := h.heapReal.Load()
	if n <= have {
		return nil
	}
	ahead := min(roundUp(n, heapChunk), d.geo.size-d.geo.heap)
	err := mapping.Reserve(d.file, int64(d.geo.heap+have), int64(ahead-have))
	if err != nil { // perhaps the part that is needed fits
		ahead = n
		err = mapping.Reserve(d.file, int64(d.geo.heap+have), int64(ahead-have))
	}
	if err != nil {
		return nameInNoSpace(err, d.path)
	}
	crashpoint.Here("heap.reserved")
	h.heapReal.Store(ahead)
	return nil
}

func (d *directory) noSpace(need uint64) error {
	h := headerIn(d.mem)
	free := d.geo.size - min(h.brk.Load(), d.geo.size)
	free += min(h.freeBytes, d.geo.size-free)
	return &mapping.NoSpaceError{Path: d.path, Need: int64(min(need, 1<<62)), Free: int64(free), Segment: true}
}
