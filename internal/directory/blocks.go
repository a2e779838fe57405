package directory

import "github.com/shmkit/shmkit/internal/crashpoint"

// Outside of this package a block is known by the offset of the first byte behind its header: these
// are the methods that take it.

// Alloc returns a block of n bytes with a tag, under the lock. They are zeros if they are to be, or
// what was there before, which costs nothing.
//
// Errors: a [*mapping.NoSpaceError], [ErrCorrupt].
func (d *Directory) Alloc(n, tag uint64, zero bool) (off uint64, err error) {
	off, err = d.alloc(n, tag, zero)
	return off + BlockHeaderBytes, err
}

// Free gives back a block with that tag, under the lock.
//
// Errors: [ErrCorrupt] when there is none.
func (d *Directory) Free(off, tag uint64) error {
	if off < BlockHeaderBytes {
		return d.Corrupt("a block to free is not in the heap")
	}
	return d.free(off-BlockHeaderBytes, tag)
}

// Retag gives a block with a tag another one. It takes no lock: the change is one store, which is
// followed by the crash point.
//
// Errors: [ErrCorrupt] when there is none.
func (d *Directory) Retag(off, from, to uint64, point string) error {
	if off < BlockHeaderBytes || !d.hasBlock(off-BlockHeaderBytes, LineBytes) {
		return d.Corrupt("a block to hand over is not in the heap")
	}
	b := d.Block(off - BlockHeaderBytes)
	if b.Word.Load()&InUse == 0 || b.Tag.Load() != from {
		return d.Corrupt("a block to hand over belongs to something else")
	}
	b.Tag.Store(to) // this store changes the owner of the block
	crashpoint.Here(point)
	return nil
}

// Bytes is the memory of a block of at least n bytes, as another process has named it. It takes no
// lock.
//
// Errors: [ErrCorrupt] when there is no such block.
func (d *Directory) Bytes(off uint64, n int) ([]byte, error) {
	if n < 0 || off < BlockHeaderBytes || !d.hasBlock(off-BlockHeaderBytes, LineBytes) {
		return nil, d.Corrupt("a message names a block that is not in the heap")
	}
	w := d.Block(off - BlockHeaderBytes).Word.Load()
	size := w & SizeMask
	if w&InUse == 0 || !d.hasBlock(off-BlockHeaderBytes, size) || uint64(n) > size-BlockHeaderBytes {
		return nil, d.Corrupt("a message names a block that is too small")
	}
	return d.mem[off : off+uint64(n) : off+uint64(n)], nil
}

// EachUsed calls f with every block in use, and the size of the whole block, until it reports
// false, under the lock.
//
// Errors: [ErrCorrupt] when the walk through the heap is led astray.
func (d *Directory) EachUsed(f func(off, size, tag uint64) bool) error {
	top, err := d.checkedTop()
	if err != nil {
		return err
	}
	for off := d.geo.Heap; off < top; {
		b := d.Block(off)
		w := b.Word.Load()
		size := w & SizeMask
		if size < LineBytes || size > top-off {
			return d.Corrupt("a block of the heap has an impossible size")
		}
		if w&InUse != 0 && !f(off+BlockHeaderBytes, size, b.Tag.Load()) {
			break
		}
		off += size
	}
	return nil
}

// Room is how many bytes the largest block can have while nothing else is in use than now, under
// the lock. Later, what is free may lie scattered.
//
// Errors: [ErrCorrupt].
func (d *Directory) Room() (int64, error) {
	top, err := d.checkedTop()
	if err != nil {
		return 0, err
	}
	return max(0, int64(d.geo.Size-top)-BlockHeaderBytes), nil
}
