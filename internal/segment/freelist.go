package segment

import "github.com/shmkit/shmkit/internal/crashpoint"

// free gives the block at off back, under the lock. The tag must be its own.
func (s *Segment) free(off, tag uint64) error {
	if !s.blockOK(off, lineBytes) {
		return s.corrupt("a block to free is not in the heap")
	}
	b := s.block(off)
	w := b.word.Load()
	size := w & sizeMask
	if w&inUse == 0 || b.tag.Load() != tag || !s.blockOK(off, size) {
		return s.corrupt("a block to free belongs to somebody else")
	}
	b.word.Store(size) // this store frees the block
	crashpoint.Here("heap.freed")
	b.tag.Store(0)
	crashpoint.Here("heap.untagged")
	off, size, err := s.merge(off, size)
	if err != nil {
		return err
	}
	s.tellNext(off, size)
	crashpoint.Here("heap.told")
	if h := headerIn(s.mem); off+size == h.brk.Load() {
		before := s.block(off).before
		h.brk.Store(off) // the last block goes back to the unused part
		crashpoint.Here("heap.shrunk")
		h.last = before
		return nil
	}
	s.listFree(off, size)
	return nil
}

// merge joins the free block at off, which is in no list, with free neighbours.
func (s *Segment) merge(off, size uint64) (uint64, uint64, error) {
	if next := off + size; next < headerIn(s.mem).brk.Load() {
		if more := s.freeSize(next); more != 0 {
			if err := s.unlinkFree(next, more); err != nil {
				return 0, 0, err
			}
			size += more
			s.block(off).word.Store(size) // this store joins the two blocks
			crashpoint.Here("heap.merged")
		}
	}
	if before := s.block(off).before; before != 0 && before <= off-s.geo.heap {
		if prev := off - before; s.freeSize(prev) == before {
			if err := s.unlinkFree(prev, before); err != nil {
				return 0, 0, err
			}
			off, size = prev, size+before
			s.block(off).word.Store(size)
			crashpoint.Here("heap.merged")
		}
	}
	return off, size, nil
}

// tellNext writes the size of the block at off where the one after it keeps it.
func (s *Segment) tellNext(off, size uint64) {
	h := headerIn(s.mem)
	if next := off + size; next == h.brk.Load() {
		h.last = size
	} else if s.blockOK(next, lineBytes) {
		s.block(next).before = size
	}
}

// listFree puts a free block first in its bin. The links are derived: a death in
// between costs nothing but their rebuilding.
func (s *Segment) listFree(off, size uint64) {
	h := headerIn(s.mem)
	bin := binOf(size)
	b, first := s.block(off), h.bins[bin]
	b.next, b.prev = first, 0
	crashpoint.Here("heap.linking")
	if s.freeSize(first) != 0 {
		s.block(first).prev = off
	}
	crashpoint.Here("heap.listing")
	h.bins[bin] = off
	crashpoint.Here("heap.counting")
	h.freeBytes += size
	crashpoint.Here("heap.listed")
}

// unlinkFree takes a free block out of its bin.
func (s *Segment) unlinkFree(off, size uint64) error {
	h := headerIn(s.mem)
	bin := binOf(size)
	next, prev := s.block(off).next, s.block(off).prev
	switch {
	case prev == 0 && h.bins[bin] == off:
		h.bins[bin] = next
	case s.freeSize(prev) != 0 && s.block(prev).next == off:
		s.block(prev).next = next
	default:
		return s.corrupt("a free list of the heap is damaged")
	}
	crashpoint.Here("heap.unlinking")
	if next != 0 {
		if s.freeSize(next) == 0 {
			return s.corrupt("a free list of the heap is damaged")
		}
		s.block(next).prev = prev
		crashpoint.Here("heap.unlinked")
	}
	h.freeBytes -= size
	crashpoint.Here("heap.unlisted")
	return nil
}
