package segment

import (
	"fmt"
	"math/bits"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	inUse     = 1 // bit of a block's word
	sizeMask  = (1<<63 - 1) &^ (lineBytes - 1)
	ownerTag  = 1 << 32 // in a tag: the low half is an owner id, not an entry
	heapChunk = 256 << 10
)

// blockOK reports whether a block can begin at off and end within the used heap.
func (s *Segment) blockOK(off, size uint64) bool {
	brk := min(headerIn(s.mem).brk, s.geo.size)
	return off >= s.geo.heap && off%lineBytes == 0 && size >= lineBytes && off < brk && size <= brk-off
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

// alloc returns the offset of a block with room for n bytes after its header,
// under the lock. Its memory is zero. Until something leads to it, its tag says whose it is.
func (s *Segment) alloc(n, tag uint64) (off uint64, err error) {
	if n > s.geo.size {
		return 0, s.noSpace(n)
	}
	need := roundUp(n+blockHeaderBytes, lineBytes)
	off, size, err := s.takeFree(need)
	if err != nil {
		return 0, err
	}
	if off == 0 {
		return s.extend(need, tag)
	}
	if rest := size - need; rest > 0 {
		s.split(off, need, rest)
	}
	b := s.block(off)
	clear(s.mem[off+blockHeaderBytes : off+need])
	b.tag = tag
	crashpoint.Here("heap.tagged")
	b.word.Store(need | inUse) // with this the block is allocated
	crashpoint.Here("heap.allocated")
	return off, nil
}

// takeFree unlinks a free block of at least need bytes; off is 0 when there is none.
func (s *Segment) takeFree(need uint64) (off, size uint64, err error) {
	h := headerIn(s.mem)
	for bin := binOf(need); bin < binCount; bin++ {
		steps := 0
		for off = h.bins[bin]; off != 0; off = s.block(off).next {
			size = s.freeSize(off)
			if size == 0 {
				return 0, 0, s.corrupt("a free list of the heap is damaged")
			}
			if size >= need {
				return off, size, s.unlinkFree(off, size)
			}
			if steps++; steps > 64 {
				break // the next bin surely fits
			}
		}
	}
	return 0, 0, nil
}

// freeSize is the size of the free block at off, or 0 when there is none.
func (s *Segment) freeSize(off uint64) uint64 {
	if !s.blockOK(off, lineBytes) {
		return 0
	}
	w := s.block(off).word.Load()
	if w&inUse != 0 || !s.blockOK(off, w&sizeMask) {
		return 0
	}
	return w & sizeMask
}

// split cuts the free block at off after need bytes and lists the rest.
func (s *Segment) split(off, need, rest uint64) {
	r := s.block(off + need)
	r.before = need
	r.word.Store(rest)
	crashpoint.Here("heap.rest")
	s.block(off).word.Store(need) // with this there are two blocks
	crashpoint.Here("heap.split")
	s.tellNext(off+need, rest)
	s.listFree(off+need, rest)
}

// extend makes a new block at the break.
func (s *Segment) extend(need, tag uint64) (uint64, error) {
	h := headerIn(s.mem)
	off := h.brk
	if off < s.geo.heap || off > s.geo.size || off%lineBytes != 0 {
		return 0, s.corrupt("the heap's end is not in the heap")
	}
	if need > s.geo.size-off {
		return 0, s.noSpace(need)
	}
	if err := s.reserve(off + need - s.geo.heap); err != nil {
		return 0, err
	}
	if dirty := min(h.high, off+need); dirty > off {
		clear(s.mem[off:dirty])
	}
	h.high = max(h.high, off+need)
	crashpoint.Here("heap.high")
	b := s.block(off)
	b.before = h.last
	b.tag = tag
	b.word.Store(need | inUse)
	crashpoint.Here("heap.written")
	h.brk = off + need // with this the block exists
	crashpoint.Here("heap.extended")
	h.last = need
	return off, nil
}

// ownerTagOf is the tag of a block that belongs to a process until something leads to it.
func ownerTagOf(o proctab.Owner) uint64 { return ownerTag | uint64(o) }

func ownerOfTag(tag uint64) proctab.Owner { return proctab.Owner(tag & proctab.OwnerMask) }

// reserve makes the first n bytes of the heap real.
func (s *Segment) reserve(n uint64) error {
	h := headerIn(s.mem)
	if n <= h.heapReal {
		return nil
	}
	have := min(h.heapReal, n)
	ahead := min(roundUp(n, heapChunk), s.geo.size-s.geo.heap)
	err := mapping.Reserve(s.file, int64(s.geo.heap+have), int64(ahead-have))
	if err != nil { // perhaps the part that is needed fits
		ahead = n
		err = mapping.Reserve(s.file, int64(s.geo.heap+have), int64(ahead-have))
	}
	if err != nil {
		return nameInNoSpace(err, s.path)
	}
	crashpoint.Here("heap.reserved")
	h.heapReal = ahead
	return nil
}

func (s *Segment) noSpace(need uint64) error {
	h := headerIn(s.mem)
	free := s.geo.size - min(h.brk, s.geo.size)
	return fmt.Errorf("the segment is full (%d bytes in all): make it larger: %w", s.geo.size,
		&mapping.NoSpaceError{Path: s.path, Need: int64(min(need, 1<<62)), Free: int64(free)})
}
