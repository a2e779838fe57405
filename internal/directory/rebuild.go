package directory

import "github.com/shmkit/shmkit/internal/crashpoint"

// Rebuild mends the segment after a process died with the lock. It runs under
// the lock and may be killed at any point and run again: it changes the two truths (block words
// and entry states) only in steps that leave them true, and derives the rest.
//
// What it can find: a block that no entry names (an object that was being made, or
// that was removed), an entry that is live but in no chain, or removed but still in one, a
// break that is one block behind, and free lists in any condition.
func (d *Directory) Rebuild() error {
	return d.withOddSequence(func() error {
		if err := d.RebuildHeap(); err != nil {
			return err
		}
		return d.rebuildDirectory()
	})
}

// RebuildHeap walks all blocks, frees those that belong to nothing, joins free neighbours, and
// gives back the last block if it is free. Each step leaves a chain of blocks that is right.
func (d *Directory) RebuildHeap() error {
	h := HeaderIn(d.mem)
	top, err := d.checkedTop()
	if err != nil {
		return err
	}
	run := uint64(0) // the free block that began right before this one, or 0
	for off := d.geo.Heap; off < top; {
		w := d.Block(off).Word.Load()
		size := w & SizeMask
		if size < LineBytes || size > top-off {
			return d.Corrupt("a block of the heap has an impossible size")
		}
		if w&InUse != 0 && !d.claimed(off) {
			d.Block(off).Word.Store(size)
			crashpoint.Here("rebuild.freed")
			w = size
		}
		next := off + size
		switch {
		case w&InUse != 0:
			run = 0
		case run == 0:
			run = off
		default:
			d.Block(run).Word.Store(next - run)
			crashpoint.Here("rebuild.merged")
		}
		off = next
	}
	if run != 0 {
		top = run
		h.Brk.Store(run)
		crashpoint.Here("rebuild.shrunk")
	}
	d.relistHeap(top)
	return nil
}

// relistHeap derives the free lists and the sizes of neighbours from a heap with
// blocks are right and end at top.
func (d *Directory) relistHeap(top uint64) {
	h := HeaderIn(d.mem)
	clear(h.Bins[:])
	h.FreeBytes = 0
	crashpoint.Here("rebuild.unlisted")
	before := uint64(0)
	for off := d.geo.Heap; off < top; off += before {
		b := d.Block(off)
		b.Before = before
		crashpoint.Here("rebuild.told")
		w := b.Word.Load()
		before = w & SizeMask
		if before < LineBytes || before > top-off {
			break // overwritten since it was checked: the next process that uses the heap finds out
		}
		if w&InUse == 0 {
			d.listFree(off, before)
		}
	}
	crashpoint.Here("rebuild.walked")
	h.Last = before
	crashpoint.Here("rebuild.relisted")
}

// claimed reports whether something owns the block at off.
func (d *Directory) claimed(off uint64) bool {
	tag := d.Block(off).Tag.Load()
	if tag&ownerTag != 0 {
		return !d.table.Dead(ownerOfTag(tag))
	}
	if isPart(tag) {
		return d.partClaimed(tag)
	}
	if tag == 0 || tag > uint64(d.UsedEntries()) {
		return false
	}
	e := d.Entry(uint32(tag - 1))
	return e.State.Load()&StateMask != StateFree && e.Block == off
}

// rebuildDirectory puts every live entry into its chain, every removed one that
// has its block into the ring of retired objects, and all others into the free list.
func (d *Directory) rebuildDirectory() error {
	h := HeaderIn(d.mem)
	for i := range d.geo.MaxObjects {
		d.Bucket(i).Store(0)
	}
	crashpoint.Here("rebuild.unchained")
	h.FreeEntry, h.LastRetired = 0, 0
	h.Retired.Store(0)
	crashpoint.Here("rebuild.emptied")
	live, used := uint32(0), d.UsedEntries()
	for n := range used {
		i := used - 1 - n // low entries last: the list gives what it got last
		e := d.Entry(i)
		state := e.State.Load()
		switch state & StateMask {
		case StateLive:
			h.Serial = max(h.Serial, state>>SerialShift)
			crashpoint.Here("rebuild.serial")
			d.chain(i)
			live++
		case StateRemoved, StateUnnamed:
			h.Serial = max(h.Serial, state>>SerialShift)
			if e.NameBytes == 0 { // a death in the middle of a reclaim may have left it removed
				e.State.Store(state&^StateMask | StateUnnamed)
				crashpoint.Here("rebuild.unnamed")
			}
			if d.owns(i, e.Block) {
				d.Retire(i) // the next Reclaim looks whether it is in use
			} else {
				d.freeEntryAt(i) // its block is free already: the dead was recycling it
			}
		default:
			d.freeEntryAt(i)
		}
	}
	h.Live.Store(live)
	crashpoint.Here("rebuild.counted")
	return nil
}

// owns reports whether the block at off is in use by entry i.
func (d *Directory) owns(i uint32, off uint64) bool {
	if !d.hasBlock(off, LineBytes) {
		return false
	}
	b := d.Block(off)
	return b.Word.Load()&InUse != 0 && b.Tag.Load() == uint64(i)+1
}
