package segment

import "github.com/shmkit/shmkit/internal/crashpoint"

// free gives the block at off back, under the lock. The tag must be its own.
func (d *directory) free(off, tag uint64) error {
	if !d.blockOK(off, lineBytes) {
		return d.corrupt("a block to free is not in the heap")
	}
	b := d.block(off)
	w := b.word.Load()
	size := w & sizeMask
	if w&inUse == 0 || b.tag.Load() != tag || !d.blockOK(off, size) {
		return d.corrupt("a block to free belongs to somebody else")
	}
	b.word.Store(size) // this store frees the block
	crashpoint.Here("heap.freed")
	b.tag.Store(0)
	crashpoint.Here("heap.untagged")
	off, size, err := d.merge(off, size)
	if err != nil {
		return err
	}
	d.tellNext(off, size)
	crashpoint.Here("heap.told")
	if h := headerIn(d.mem); off+size == h.brk.Load() {
		before := d.block(off).before
		h.brk.Store(off) // the last block goes back to the unused part
		crashpoint.Here("heap.shrunk")
		h.last = before
		return nil
	}
	d.listFree(off, size)
	return nil
}

// merge joins the free block at off, which is in no list, with free neighbours.
func (d *directory) merge(off, size uint64) (uint64, uint64, error) {
	if next := off + size; next < headerIn(d.mem).brk.Load() {
		if more := d.freeSize(next); more != 0 {
			if err := d.unlinkFree(next, more); err != nil {
				return 0, 0, err
			}
			size += more
			d.block(off).word.Store(size) // this store joins the two blocks
			crashpoint.Here("heap.merged")
		}
	}
	if before := d.block(off).before; before != 0 && before <= off-d.geo.heap {
		if prev := off - before; d.freeSize(prev) == before {
			if err := d.unlinkFree(prev, before); err != nil {
				return 0, 0, err
			}
			off, size = prev, size+before
			d.block(off).word.Store(size)
			crashpoint.Here("heap.merged")
		}
	}
	return off, size, nil
}

// tellNext writes the size of the block at off where the one after it keeps it.
func (d *directory) tellNext(off, size uint64) {
	h := headerIn(d.mem)
	if next := off + size; next == h.brk.Load() {
		h.last = size
	} else if d.blockOK(next, lineBytes) {
		d.block(next).before = size
	}
}

// listFree puts a free block first in its bin. The links are derived: a death in
// between costs nothing but their rebuilding.
func (d *directory) listFree(off, size uint64) {
	h := headerIn(d.mem)
	bin := binOf(size)
	b, first := d.block(off), h.bins[bin]
	b.next, b.prev = first, 0
	crashpoint.Here("heap.linking")
	if d.freeSize(first) != 0 {
		d.block(first).prev = off
	}
	crashpoint.Here("heap.listing")
	h.bins[bin] = off
	crashpoint.Here("heap.counting")
	h.freeBytes += size
	crashpoint.Here("heap.listed")
}

// unlinkFree takes a free block out of its bin.
func (d *directory) unlinkFree(off, size uint64) error {
	h := headerIn(d.mem)
	bin := binOf(size)
	next, prev := d.block(off).next, d.block(off).prev
	switch {
	case prev == 0 && h.bins[bin] == off:
		h.bins[bin] = next
	case d.freeSize(prev) != 0 && d.block(prev).next == off:
		d.block(prev).next = next
	default:
		return d.corrupt("a free list of the heap is damaged")
	}
	crashpoint.Here("heap.unlinking")
	if next != 0 {
		if d.freeSize(next) == 0 {
			return d.corrupt("a free list of the heap is damaged")
		}
		d.block(next).prev = prev
		crashpoint.Here("heap.unlinked")
	}
	h.freeBytes -= size
	crashpoint.Here("heap.unlisted")
	return nil
}
