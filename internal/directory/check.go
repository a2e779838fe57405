package directory

import "fmt"

// A Report is what a walk through a segment found.
type Report struct {
	Objects  int   // live
	Unnamed  int   // objects that never had a name
	Retired  int   // removed, but still in use
	Parts    int   // blocks of objects besides the first of each
	Blocks   int   // blocks that belong to a living process
	Orphans  int   // blocks that belonged to a dead one, and are freed when space is needed
	UsedFor  int64 // bytes in blocks in use
	FreeIn   int64 // bytes in free blocks
	Reserved int64 // bytes of the heap that the file system has set aside
}

// Check compares everything that is derived with the truth, under the lock.
func (d *Directory) Check(r *Report) error {
	if err := d.checkHeap(r); err != nil {
		return err
	}
	return d.checkDirectory(r)
}

// checkHeap follows the free lists and walks the blocks.
func (d *Directory) checkHeap(r *Report) error {
	h := HeaderIn(d.mem)
	r.Reserved = int64(min(h.HeapReal.Load(), d.geo.Size-d.geo.Heap))
	top, err := d.checkedTop()
	if err != nil {
		return err
	}
	listed, err := d.listedBlocks()
	if err != nil {
		return err
	}
	before, wasFree := uint64(0), false
	for off := d.geo.Heap; off < top; off += before {
		b := d.Block(off)
		w := b.Word.Load()
		size, used := w&SizeMask, w&InUse != 0
		switch {
		case size < LineBytes || size > top-off:
			return d.Corrupt(fmt.Sprintf("block %#x has an impossible size", off))
		case b.Before != before:
			return d.Corrupt(fmt.Sprintf("block %#x does not know the one before it", off))
		case !used && !listed[off]:
			return d.Corrupt(fmt.Sprintf("free block %#x is in no list", off))
		case !used && wasFree:
			return d.Corrupt(fmt.Sprintf("free block %#x has a free neighbour", off))
		}
		if used {
			r.UsedFor += int64(size)
			err = d.checkOwner(off, size, r)
		} else {
			r.FreeIn += int64(size)
			delete(listed, off)
		}
		if err != nil {
			return err
		}
		before, wasFree = size, !used
	}
	if len(listed) > 0 || before != h.Last || uint64(r.FreeIn) != h.FreeBytes {
		return d.Corrupt("what is noted about free blocks is not what is there")
	}
	return nil
}

// listedBlocks are the blocks in the free lists.
func (d *Directory) listedBlocks() (map[uint64]bool, error) {
	listed := map[uint64]bool{}
	for bin, off := range HeaderIn(d.mem).Bins {
		prev := uint64(0)
		for ; off != 0; prev, off = off, d.Block(off).Next {
			size := d.freeSize(off)
			if size == 0 || listed[off] || binOf(size) != bin || d.Block(off).Prev != prev {
				return nil, d.Corrupt(fmt.Sprintf("free list %d is damaged at %#x", bin, off))
			}
			listed[off] = true
		}
	}
	return listed, nil
}

// checkOwner reports a block in use that no process would ever free.
func (d *Directory) checkOwner(off, size uint64, r *Report) error {
	claimed := d.claimed(off)
	switch {
	case isPart(d.Block(off).Tag.Load()) && claimed:
		r.Parts++
	case d.Block(off).Tag.Load()&ownerTag == 0 && claimed: // an object's
	case claimed:
		r.Blocks++
	case d.Block(off).Tag.Load()&ownerTag != 0:
		r.Orphans++
	default:
		return d.Corrupt(fmt.Sprintf("block %#x of %d bytes belongs to nobody: leaked", off, size))
	}
	return nil
}

func (d *Directory) checkDirectory(r *Report) error {
	h := HeaderIn(d.mem)
	used := d.UsedEntries()
	if h.Changes.Load()%2 != 0 {
		return d.Corrupt("the directory is marked as being taken apart")
	}
	if used != h.Used.Load() {
		return d.Corrupt("more entries are in use than were reserved")
	}
	free, err := d.countFree(used)
	if err != nil {
		return err
	}
	retired, err := d.countRetired()
	if err != nil {
		return err
	}
	for i := range used {
		state := d.Entry(i).State.Load()
		switch state & StateMask {
		case StateFree:
			free--
			continue
		case StateRemoved:
			r.Retired++
		case StateUnnamed:
			r.Unnamed++
		case StateLive:
			r.Objects++
			if err := d.checkFound(i, state); err != nil {
				return err
			}
		default:
			return d.Corrupt(fmt.Sprintf("entry %d is in no state", i))
		}
		if !d.owns(i, d.Entry(i).Block) {
			return d.Corrupt(fmt.Sprintf("entry %d has lost its block", i))
		}
	}
	if free != 0 || retired != r.Retired+r.Unnamed || int(h.Live.Load()) != r.Objects || int(h.Retired.Load()) != retired {
		return d.Corrupt("the counts of the directory are wrong")
	}
	return nil
}

// countFree is the length of the free list of entries.
func (d *Directory) countFree(used uint32) (n int, err error) {
	for i := HeaderIn(d.mem).FreeEntry; i != 0; i = d.Entry(i - 1).Next.Load() {
		if n++; i > used || n > int(used) || d.Entry(i-1).State.Load()&StateMask != StateFree {
			return 0, d.Corrupt("the free list of the directory is damaged")
		}
	}
	return n, nil
}

// countRetired is the length of the ring of retired objects.
func (d *Directory) countRetired() (n int, err error) {
	last := HeaderIn(d.mem).LastRetired
	if last == 0 {
		return 0, nil
	}
	for i := last; ; {
		if n++; i == 0 || i > d.UsedEntries() || n > int(d.UsedEntries()) || !isInRing(d.Entry(i-1).State.Load()) {
			return 0, d.Corrupt("the ring of removed objects is damaged")
		}
		if i = d.Entry(i - 1).NextRetired; i == last {
			return n, nil
		}
	}
}

// checkFound reports a live object that is not found by its name.
func (d *Directory) checkFound(i uint32, state uint64) error {
	f, err := d.Read(i)
	if err != nil {
		return err
	}
	if at, found, err := d.Search(f.Name); err != nil || at != i || found != state || f.Name == "" {
		return d.Corrupt(fmt.Sprintf("object %q is not found by its name, or is there twice", f.Name))
	}
	return nil
}
