package segment

import "github.com/shmkit/shmkit/internal/crashpoint"

// rebuild mends the segment after a process died with the lock. It runs under
// the lock and may be killed at any point and run again: it changes the two truths (block words
// and entry states) only in steps that leave them true, and derives the rest.
//
// What it can find: a block that no entry names (an object that was being made, or
// that was removed), an entry that is live but in no chain, or removed but still in one, a
// break that is one block behind, and free lists in any condition.
func (s *Segment) rebuild() error {
	h := headerIn(s.mem)
	if h.changes.Load()%2 == 0 {
		h.changes.Add(1) // lookups now take the lock
	}
	crashpoint.Here("rebuild.begun")
	if err := s.rebuildHeap(); err != nil {
		return err
	}
	if err := s.rebuildDirectory(); err != nil {
		return err
	}
	crashpoint.Here("rebuild.done")
	h.changes.Add(1)
	return nil
}

// rebuildHeap walks all blocks, frees those that belong to nobody, joins free
// neighbours, and gives back the last block if it is free.
func (s *Segment) rebuildHeap() error {
	h := headerIn(s.mem)
	run := uint64(0) // the free block that began right before this one, or 0
	for off := s.geo.heap; off < h.brk; {
		b := s.block(off)
		w := b.word.Load()
		size := w & sizeMask
		if !s.blockOK(off, size) {
			return s.corrupt("a block of the heap has an impossible size")
		}
		if w&inUse != 0 && !s.claimed(off, b.tag) {
			b.word.Store(size)
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
			s.block(run).word.Store(next - run)
			crashpoint.Here("rebuild.merged")
		}
		off = next
	}
	if run != 0 {
		h.brk = run
		crashpoint.Here("rebuild.shrunk")
	}
	s.relistHeap()
	return nil
}

// relistHeap derives the free lists and the sizes of neighbours from a heap whose blocks are right.
func (s *Segment) relistHeap() {
	h := headerIn(s.mem)
	clear(h.bins[:])
	before := uint64(0)
	for off := s.geo.heap; off < h.brk; off += before {
		b := s.block(off)
		b.before = before
		w := b.word.Load()
		before = w & sizeMask
		if w&inUse == 0 {
			s.listFree(off, before)
		}
	}
	h.last = before
}

// claimed reports whether somebody owns the block at off that has this tag.
func (s *Segment) claimed(off, tag uint64) bool {
	if tag&ownerTag != 0 {
		return !s.table.Dead(ownerOfTag(tag))
	}
	if tag == 0 || tag > uint64(s.geo.maxObjects) {
		return false
	}
	e := s.entry(uint32(tag - 1))
	return e.state.Load()&stateMask != stateFree && e.block == off
}

// rebuildDirectory puts every live entry into its chain and all others into the free list.
func (s *Segment) rebuildDirectory() error {
	h := headerIn(s.mem)
	for i := range s.geo.maxObjects {
		s.bucket(i).Store(0)
	}
	crashpoint.Here("rebuild.unchained")
	h.freeEntry = 0
	live, graves := uint32(0), uint32(0)
	used := min(h.used.Load(), s.geo.maxObjects)
	for n := range used {
		i := used - 1 - n // so that low entries are reused first
		e := s.entry(i)
		switch e.state.Load() & stateMask {
		case stateLive:
			h.serial = max(h.serial, e.state.Load()>>serialShift)
			s.chain(i)
			live++
		case stateRemoved:
			if s.owns(i, e.block) {
				graves++ // the next sweep looks who uses it
			} else {
				s.freeEntryAt(i) // its block is free already: the dead was recycling it
			}
		default:
			s.freeEntryAt(i)
		}
	}
	h.live.Store(live)
	h.graves.Store(graves)
	return nil
}

// owns reports whether the block at off is in use by entry i.
func (s *Segment) owns(i uint32, off uint64) bool {
	if !s.blockOK(off, lineBytes) {
		return false
	}
	b := s.block(off)
	return b.word.Load()&inUse != 0 && b.tag == uint64(i)+1
}

// freeEntryAt puts an entry first in the free list.
func (s *Segment) freeEntryAt(i uint32) {
	h := headerIn(s.mem)
	e := s.entry(i)
	s.clearUsers(i)
	e.next.Store(h.freeEntry)
	e.state.Store(e.state.Load() &^ stateMask)
	h.freeEntry = i + 1
}
