package segment

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

// check compares everything that is derived with the truth, under the lock.
func (d *directory) check(r *Report) error {
	if err := d.checkHeap(r); err != nil {
		return err
	}
	return d.checkDirectory(r)
}

// checkHeap follows the free lists and walks the blocks.
func (d *directory) checkHeap(r *Report) error {
	h := headerIn(d.mem)
	r.Reserved = int64(min(h.heapReal.Load(), d.geo.size-d.geo.heap))
	top, err := d.checkedTop()
	if err != nil {
		return err
	}
	listed, err := d.listedBlocks()
	if err != nil {
		return err
	}
	before, wasFree := uint64(0), false
	for off := d.geo.heap; off < top; off += before {
		b := d.block(off)
		w := b.word.Load()
		size, used := w&sizeMask, w&inUse != 0
		switch {
		case size < lineBytes || size > top-off:
			return d.corrupt(fmt.Sprintf("block %#x has an impossible size", off))
		case b.before != before:
			return d.corrupt(fmt.Sprintf("block %#x does not know the one before it", off))
		case !used && !listed[off]:
			return d.corrupt(fmt.Sprintf("free block %#x is in no list", off))
		case !used && wasFree:
			return d.corrupt(fmt.Sprintf("free block %#x has a free neighbour", off))
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
	if len(listed) > 0 || before != h.last || uint64(r.FreeIn) != h.freeBytes {
		return d.corrupt("what is noted about free blocks is not what is there")
	}
	return nil
}

// listedBlocks are the blocks in the free lists.
func (d *directory) listedBlocks() (map[uint64]bool, error) {
	listed := map[uint64]bool{}
	for bin, off := range headerIn(d.mem).bins {
		prev := uint64(0)
		for ; off != 0; prev, off = off, d.block(off).next {
			size := d.freeSize(off)
			if size == 0 || listed[off] || binOf(size) != bin || d.block(off).prev != prev {
				return nil, d.corrupt(fmt.Sprintf("free list %d is damaged at %#x", bin, off))
			}
			listed[off] = true
		}
	}
	return listed, nil
}

// checkOwner reports a block in use that no process would ever free.
func (d *directory) checkOwner(off, size uint64, r *Report) error {
	claimed := d.claimed(off)
	switch {
	case isPart(d.block(off).tag.Load()) && claimed:
		r.Parts++
	case d.block(off).tag.Load()&ownerTag == 0 && claimed: // an object's
	case claimed:
		r.Blocks++
	case d.block(off).tag.Load()&ownerTag != 0:
		r.Orphans++
	default:
		return d.corrupt(fmt.Sprintf("block %#x of %d bytes belongs to nobody: leaked", off, size))
	}
	return nil
}

func (d *directory) checkDirectory(r *Report) error {
	h := headerIn(d.mem)
	used := d.usedEntries()
	if h.changes.Load()%2 != 0 {
		return d.corrupt("the directory is marked as being taken apart")
	}
	if used != h.used.Load() {
		return d.corrupt("more entries are in use than were reserved")
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
		state := d.entry(i).state.Load()
		switch state & stateMask {
		case stateFree:
			free--
			continue
		case stateRemoved:
			r.Retired++
		case stateUnnamed:
			r.Unnamed++
		case stateLive:
			r.Objects++
			if err := d.checkFound(i, state); err != nil {
				return err
			}
		default:
			return d.corrupt(fmt.Sprintf("entry %d is in no state", i))
		}
		if !d.owns(i, d.entry(i).block) {
			return d.corrupt(fmt.Sprintf("entry %d has lost its block", i))
		}
	}
	if free != 0 || retired != r.Retired+r.Unnamed || int(h.live.Load()) != r.Objects || int(h.retired.Load()) != retired {
		return d.corrupt("the counts of the directory are wrong")
	}
	return nil
}

// countFree is the length of the free list of entries.
func (d *directory) countFree(used uint32) (n int, err error) {
	for i := headerIn(d.mem).freeEntry; i != 0; i = d.entry(i - 1).next.Load() {
		if n++; i > used || n > int(used) || d.entry(i-1).state.Load()&stateMask != stateFree {
			return 0, d.corrupt("the free list of the directory is damaged")
		}
	}
	return n, nil
}

// countRetired is the length of the ring of retired objects.
func (d *directory) countRetired() (n int, err error) {
	last := headerIn(d.mem).lastRetired
	if last == 0 {
		return 0, nil
	}
	for i := last; ; {
		if n++; i == 0 || i > d.usedEntries() || n > int(d.usedEntries()) || !inRing(d.entry(i-1).state.Load()) {
			return 0, d.corrupt("the ring of removed objects is damaged")
		}
		if i = d.entry(i - 1).nextRetired; i == last {
			return n, nil
		}
	}
}

// checkFound reports a live object that is not found by its name.
func (d *directory) checkFound(i uint32, state uint64) error {
	f, err := d.read(i)
	if err != nil {
		return err
	}
	if at, found, err := d.search(f.name); err != nil || at != i || found != state || f.name == "" {
		return d.corrupt(fmt.Sprintf("object %q is not found by its name, or is there twice", f.name))
	}
	return nil
}
