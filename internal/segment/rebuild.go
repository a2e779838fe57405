package segment

import "github.com/shmkit/shmkit/internal/crashpoint"

// rebuild mends the segment after a process died with the lock. It runs under
// the lock and may be killed at any point and run again: it changes the two truths (block words
// and entry states) only in steps that leave them true, and derives the rest.
//
// What it can find: a block that no entry names (an object that was being made, or
// that was removed), an entry that is live but in no chain, or removed but still in one, a
// break that is one block behind, and free lists in any condition.
func (d *directory) rebuild() error {
	return d.withOddSequence(func() error {
		if err := d.rebuildHeap(); err != nil {
			return err
		}
		return d.rebuildDirectory()
	})
}

// rebuildHeap walks all blocks, frees those that belong to nothing, joins free neighbours, and
// gives back the last block if it is free. Each step leaves a chain of blocks that is right.
func (d *directory) rebuildHeap() error {
	h := headerIn(d.mem)
	top, err := d.checkedTop()
	if err != nil {
		return err
	}
	run := uint64(0) // the free block that began right before this one, or 0
	for off := d.geo.heap; off < top; {
		w := d.block(off).word.Load()
		size := w & sizeMask
		if size < lineBytes || size > top-off {
			return d.corrupt("a block of the heap has an impossible size")
		}
		if w&inUse != 0 && !d.claimed(off) {
			d.block(off).word.Store(size)
			crashpoint.Here("rebuild.freed")
			w = size
		}
		next := off + size
		switch {
		case w&inUse != 0:
			run = 0
		case run == 0:
			run = off
		default:
			d.block(run).word.Store(next - run)
			crashpoint.Here("rebuild.merged")
		}
		off = next
	}
	if run != 0 {
		top = run
		h.brk.Store(run)
		crashpoint.Here("rebuild.shrunk")
	}
	d.relistHeap(top)
	return nil
}

// relistHeap derives the free lists and the sizes of neighbours from a heap with
// blocks are right and end at top.
func (d *directory) relistHeap(top uint64) {
	h := headerIn(d.mem)
	clear(h.bins[:])
	h.freeBytes = 0
	crashpoint.Here("rebuild.unlisted")
	before := uint64(0)
	for off := d.geo.heap; off < top; off += before {
		b := d.block(off)
		b.before = before
		crashpoint.Here("rebuild.told")
		w := b.word.Load()
		before = w & sizeMask
		if before < lineBytes || before > top-off {
			break // overwritten since it was checked: the next process that uses the heap finds out
		}
		if w&inUse == 0 {
			d.listFree(off, before)
		}
	}
	crashpoint.Here("rebuild.walked")
	h.last = before
	crashpoint.Here("rebuild.relisted")
}

// claimed reports whether something owns the block at off.
func (d *directory) claimed(off uint64) bool {
	tag := d.block(off).tag.Load()
	if tag&ownerTag != 0 {
		return !d.table.Dead(ownerOfTag(tag))
	}
	if isPart(tag) {
		return d.partClaimed(tag)
	}
	if tag == 0 || tag > uint64(d.usedEntries()) {
		return false
	}
	e := d.entry(uint32(tag - 1))
	return e.state.Load()&stateMask != stateFree && e.block == off
}

// rebuildDirectory puts every live entry into its chain, every removed one that
// has its block into the ring of retired objects, and all others into the free list.
func (d *directory) rebuildDirectory() error {
	h := headerIn(d.mem)
	for i := range d.geo.maxObjects {
		d.bucket(i).Store(0)
	}
	crashpoint.Here("rebuild.unchained")
	h.freeEntry, h.lastRetired = 0, 0
	h.retired.Store(0)
	crashpoint.Here("rebuild.emptied")
	live, used := uint32(0), d.usedEntries()
	for n := range used {
		i := used - 1 - n // low entries last: the list gives what it got last
		e := d.entry(i)
		state := e.state.Load()
		switch state & stateMask {
		case stateLive:
			h.serial = max(h.serial, state>>serialShift)
			crashpoint.Here("rebuild.serial")
			d.chain(i)
			live++
		case stateRemoved, stateUnnamed:
			h.serial = max(h.serial, state>>serialShift)
			if e.nameBytes == 0 { // a death in the middle of a reclaim may have left it removed
				e.state.Store(state&^stateMask | stateUnnamed)
				crashpoint.Here("rebuild.unnamed")
			}
			if d.owns(i, e.block) {
				d.retire(i) // the next reclaimRetired looks whether it is in use
			} else {
				d.freeEntryAt(i) // its block is free already: the dead was recycling it
			}
		default:
			d.freeEntryAt(i)
		}
	}
	h.live.Store(live)
	crashpoint.Here("rebuild.counted")
	return nil
}

// owns reports whether the block at off is in use by entry i.
func (d *directory) owns(i uint32, off uint64) bool {
	if !d.blockOK(off, lineBytes) {
		return false
	}
	b := d.block(off)
	return b.word.Load()&inUse != 0 && b.tag.Load() == uint64(i)+1
}
