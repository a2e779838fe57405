package segment

import "github.com/shmkit/shmkit/internal/crashpoint"

// Objects that no name leads to, and that a process may still have open, form a ring: finding out
// which of them can be freed costs the same however many objects there are. The header leads to the
// last of the ring, and that to the first. The ring is derived from the states of the entries.

// reclaimFew is how many retired objects every operation that needs or gives memory looks at: more
// than one, so that the ring shrinks while objects are being removed.
const reclaimFew = 4

// retire puts an entry last into the ring of retired objects, under the lock.
func (s *Segment) retire(i uint32) {
	h := headerIn(s.mem)
	e := s.entry(i)
	if last := h.lastRetired; last != 0 && last <= s.usedEntries() {
		before := s.entry(last - 1)
		e.nextRetired = before.nextRetired
		crashpoint.Here("retired.linking")
		before.nextRetired = i + 1
	} else {
		e.nextRetired = i + 1
	}
	crashpoint.Here("retired.linked")
	h.lastRetired = i + 1
	crashpoint.Here("retired.counting")
	h.retired.Add(1)
}

// reclaimRetired looks at the first retired objects, most of them at most, and frees those that no
// process uses any more, under the lock. The others go to the end of the ring.
func (s *Segment) reclaimRetired(most uint32) error {
	h := headerIn(s.mem)
	for range min(most, h.retired.Load(), s.geo.maxObjects) {
		first, last, err := s.firstRetired()
		if err != nil {
			return err
		}
		if !s.abandoned(first) {
			h.lastRetired = first + 1
			crashpoint.Here("retired.turned")
			continue
		}
		if last == first+1 {
			h.lastRetired = 0
		} else {
			s.entry(last - 1).nextRetired = s.entry(first).nextRetired
		}
		crashpoint.Here("retired.unlinking")
		h.retired.Add(^uint32(0))
		crashpoint.Here("retired.unlinked")
		if err := s.freeRetired(first); err != nil {
			return err
		}
	}
	return nil
}

// firstRetired returns the entry that has been in the ring for longest, and 1 + the last entry of
// the ring.
func (s *Segment) firstRetired() (first, last uint32, err error) {
	last = headerIn(s.mem).lastRetired
	if last == 0 || last > s.usedEntries() {
		return 0, 0, s.corrupt("the ring of removed objects is damaged")
	}
	first = s.entry(last - 1).nextRetired
	if first == 0 || first > s.usedEntries() || !inRing(s.entry(first-1).state.Load()) {
		return 0, 0, s.corrupt("the ring of removed objects is damaged")
	}
	return first - 1, last, nil
}

// freeRetired puts a removed entry that no process uses, and its block, up for reuse, under the
// lock.
//
// What a death leaves behind, for rebuild: a removed entry whose block is free, or a free entry in
// no list; and parts that belong to nothing.
func (s *Segment) freeRetired(i uint32) error {
	return s.withOddSequence(func() error {
		if err := s.free(s.entry(i).block, uint64(i)+1); err != nil {
			return err
		}
		crashpoint.Here("directory.blockfreed")
		parts := Kind(s.entry(i).kind).hasParts()
		s.freeEntryAt(i)
		if !parts {
			return nil
		}
		crashpoint.Here("directory.partsleft")
		return s.rebuildHeap() // frees the parts
	})
}
