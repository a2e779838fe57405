package directory

import "github.com/shmkit/shmkit/internal/crashpoint"

// free gives the block at off back, under the lock. The tag must be its own.
func (d *Directory) free(off, tag uint64) error {
	if !d.hasBlock(off, LineBytes) {
		return d.Corrupt("a block to free is not in the heap")
	}
	b := d.Block(off)
	w := b.Word.Load()
	size := w & SizeMask
	if w&InUse == 0 || b.Tag.Load() != tag || !d.hasBlock(off, size) {
		return d.Corrupt("a block to free belongs to somebody else")
	}
	b.Word.Store(size) // this store frees the block
	crashpoint.Here("heap.freed")
	b.Tag.Store(0)
	crashpoint.Here("heap.untagged")
	off, size, err := d.merge(off, size)
	if err != nil {
		return err
	}
	d.tellNext(off, size)
	crashpoint.Here("heap.told")
	if h := HeaderIn(d.mem); off+size == h.Brk.Load() {
		before := d.Block(off).Before
		h.Brk.Store(off) // the last block goes back to the unused part
		crashpoint.Here("heap.shrunk")
		h.Last = before
		return nil
	}
	d.listFree(off, size)
	return nil
}

// merge joins the free block at off, which is in no list, with free neighbours.
func (d *Directory) merge(off, size uint64) (uint64, uint64, error) {
	if next := off + size; next < HeaderIn(d.mem).Brk.Load() {
		if more := d.freeSize(next); more != 0 {
			if err := d.unlinkFree(next, more); err != nil {
				return 0, 0, err
			}
			size += more
			d.Block(off).Word.Store(size) // this store joins the two blocks
			crashpoint.Here("heap.merged")
		}
	}
	if before := d.Block(off).Before; before != 0 && before <= off-d.geo.Heap {
		if prev := off - before; d.freeSize(prev) == before {
			if err := d.unlinkFree(prev, before); err != nil {
				return 0, 0, err
			}
			off, size = prev, size+before
			d.Block(off).Word.Store(size)
			crashpoint.Here("heap.merged")
		}
	}
	return off, size, nil
}

// tellNext writes the size of the block at off where the one after it keeps it.
func (d *Directory) tellNext(off, size uint64) {
	h := HeaderIn(d.mem)
	if next := off + size; next == h.Brk.Load() {
		h.Last = size
	} else if d.hasBlock(next, LineBytes) {
		d.Block(next).Before = size
	}
}

// listFree puts a free block first in its bin. The links are derived: a death in
// between costs nothing but their rebuilding.
func (d *Directory) listFree(off, size uint64) {
	h := HeaderIn(d.mem)
	bin := binOf(size)
	b, first := d.Block(off), h.Bins[bin]
	b.Next, b.Prev = first, 0
	crashpoint.Here("heap.linking")
	if d.freeSize(first) != 0 {
		d.Block(first).Prev = off
	}
	crashpoint.Here("heap.listing")
	h.Bins[bin] = off
	crashpoint.Here("heap.counting")
	h.FreeBytes += size
	crashpoint.Here("heap.listed")
}

// unlinkFree takes a free block out of its bin.
func (d *Directory) unlinkFree(off, size uint64) error {
	h := HeaderIn(d.mem)
	bin := binOf(size)
	next, prev := d.Block(off).Next, d.Block(off).Prev
	switch {
	case prev == 0 && h.Bins[bin] == off:
		h.Bins[bin] = next
	case d.freeSize(prev) != 0 && d.Block(prev).Next == off:
		d.Block(prev).Next = next
	default:
		return d.Corrupt("a free list of the heap is damaged")
	}
	crashpoint.Here("heap.unlinking")
	if next != 0 {
		if d.freeSize(next) == 0 {
			return d.Corrupt("a free list of the heap is damaged")
		}
		d.Block(next).Prev = prev
		crashpoint.Here("heap.unlinked")
	}
	h.FreeBytes -= size
	crashpoint.Here("heap.unlisted")
	return nil
}
