package segment

import "github.com/shmkit/shmkit/internal/crashpoint"

// Objects that no name leads to, and that a process may still have open, form a ring: finding out
// which of them can be freed costs the same however many objects there are. The header leads to the
// last of the ring, and that to the first. The ring is derived from the states of the entries.

// reclaimFew is how many retired objects every operation that needs or gives memory looks at: more
// than one, so that the ring shrinks while objects are being removed.
const reclaimFew = 4

// retire puts an entry last into the ring of retired objects, under the lock.
func (d *directory) retire(i uint32) {
	h := headerIn(d.mem)
	e := d.entry(i)
	if last := h.lastRetired; last != 0 && last <= d.usedEntries() {
		before := d.entry(last - 1)
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
func (d *directory) reclaimRetired(most uint32) error {
	h := headerIn(d.mem)
	for range min(most, h.retired.Load(), d.geo.maxObjects) {
		first, last, err := d.firstRetired()
		if err != nil {
			return err
		}
		if !d.abandoned(first) {
			h.lastRetired = first + 1
			crashpoint.Here("retired.turned")
			continue
		}
		if last == first+1 {
			h.lastRetired = 0
		} else {
			d.entry(last - 1).nextRetired = d.entry(first).nextRetired
		}
		crashpoint.Here("retired.unlinking")
		h.retired.Add(^uint32(0))
		crashpoint.Here("retired.unlinked")
		if err := d.freeRetired(first); err != nil {
			return err
		}
	}
	return nil
}

// firstRetired returns the entry that has been in the ring for longest, and 1 + the last entry of
// the ring.
func (d *directory) firstRetired() (first, last uint32, err error) {
	last = headerIn(d.mem).lastRetired
	if last == 0 || last > d.usedEntries() {
		return 0, 0, d.corrupt("the ring of removed objects is damaged")
	}
	first = d.entry(last - 1).nextRetired
	if first == 0 || first > d.usedEntries() || !inRing(d.entry(first-1).state.Load()) {
		return 0, 0, d.corrupt("the ring of removed objects is damaged")
	}
	return first - 1, last, nil
}

// freeRetired puts a removed entry that no process uses, and its block, up for reuse, under the
// lock.
//
// What a death leaves behind, for rebuild: a removed entry whose block is free, or a free entry in
// no list; and parts that belong to nothing.
func (d *directory) freeRetired(i uint32) error {
	return d.withOddSequence(func() error {
		if err := d.free(d.entry(i).block, uint64(i)+1); err != nil {
			return err
		}
		crashpoint.Here("directory.blockfreed")
		parts := d.hasParts(d.entry(i).kind)
		d.freeEntryAt(i)
		if !parts {
			return nil
		}
		crashpoint.Here("directory.partsleft")
		return d.rebuildHeap() // frees the parts
	})
}

// abandoned reports whether no living process has the retired object at entry i open. If so, no
// process can open it from here on. The caller holds the lock.
func (d *directory) abandoned(i uint32) bool {
	if d.used(i) {
		return false
	}
	e := d.entry(i)
	state := e.state.Load()
	if state&stateMask != stateUnnamed {
		return true
	}
	// SYNC: users: an opener sets its bit before it looks at the state. We do it the other way
	// round, so that one of us sees the other.
	e.state.Store(state&^stateMask | stateRemoved)
	crashpoint.Here("unnamed.closed")
	if !d.used(i) {
		return true
	}
	e.state.Store(state)
	crashpoint.Here("unnamed.reopened")
	return false
}

// inRing reports whether entries in that state belong into the ring of retired objects.
func inRing(state uint64) bool {
	return state&stateMask == stateRemoved || state&stateMask == stateUnnamed
}
