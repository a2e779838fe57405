package directory

import "github.com/shmkit/shmkit/internal/crashpoint"

// Objects that no name leads to, and that a process may still have open, form a ring: finding out
// which of them can be freed costs the same however many objects there are. The header leads to the
// last of the ring, and that to the first. The ring is derived from the states of the entries.

// ReclaimFew is how many retired objects every operation that needs or gives memory looks at: more
// than one, so that the ring shrinks while objects are being removed.
const ReclaimFew = 4

// Retire puts an entry last into the ring of retired objects, under the lock.
func (d *Directory) Retire(i uint32) {
	h := HeaderIn(d.mem)
	e := d.Entry(i)
	if last := h.LastRetired; last != 0 && last <= d.UsedEntries() {
		before := d.Entry(last - 1)
		e.NextRetired = before.NextRetired
		crashpoint.Here("retired.linking")
		before.NextRetired = i + 1
	} else {
		e.NextRetired = i + 1
	}
	crashpoint.Here("retired.linked")
	h.LastRetired = i + 1
	crashpoint.Here("retired.counting")
	h.Retired.Add(1)
}

// Reclaim looks at the first retired objects, most of them at most, and frees those that no
// process uses any more, under the lock. The others go to the end of the ring.
func (d *Directory) Reclaim(most uint32) error {
	h := HeaderIn(d.mem)
	for range min(most, h.Retired.Load(), d.geo.MaxObjects) {
		first, last, err := d.firstRetired()
		if err != nil {
			return err
		}
		if !d.abandoned(first) {
			h.LastRetired = first + 1
			crashpoint.Here("retired.turned")
			continue
		}
		if last == first+1 {
			h.LastRetired = 0
		} else {
			d.Entry(last - 1).NextRetired = d.Entry(first).NextRetired
		}
		crashpoint.Here("retired.unlinking")
		h.Retired.Add(^uint32(0))
		crashpoint.Here("retired.unlinked")
		if err := d.freeRetired(first); err != nil {
			return err
		}
	}
	return nil
}

// firstRetired returns the entry that has been in the ring for longest, and 1 + the last entry of
// the ring.
func (d *Directory) firstRetired() (first, last uint32, err error) {
	last = HeaderIn(d.mem).LastRetired
	if last == 0 || last > d.UsedEntries() {
		return 0, 0, d.Corrupt("the ring of removed objects is damaged")
	}
	first = d.Entry(last - 1).NextRetired
	if first == 0 || first > d.UsedEntries() || !isInRing(d.Entry(first-1).State.Load()) {
		return 0, 0, d.Corrupt("the ring of removed objects is damaged")
	}
	return first - 1, last, nil
}

// freeRetired puts a removed entry that no process uses, and its block, up for reuse, under the
// lock.
//
// What a death leaves behind, for rebuild: a removed entry whose block is free, or a free entry in
// no list; and parts that belong to nothing.
func (d *Directory) freeRetired(i uint32) error {
	return d.withOddSequence(func() error {
		if err := d.free(d.Entry(i).Block, uint64(i)+1); err != nil {
			return err
		}
		crashpoint.Here("directory.blockfreed")
		parts := d.hasParts(d.Entry(i).Kind)
		d.freeEntryAt(i)
		if !parts {
			return nil
		}
		crashpoint.Here("directory.partsleft")
		return d.RebuildHeap() // frees the parts
	})
}

// abandoned reports whether no living process has the retired object at entry i open. If so, no
// process can open it from here on. The caller holds the lock.
func (d *Directory) abandoned(i uint32) bool {
	if d.Used(i) {
		return false
	}
	e := d.Entry(i)
	state := e.State.Load()
	if state&StateMask != StateUnnamed {
		return true
	}
	// SYNC: users: an opener sets its bit before it looks at the state. We do it the other way
	// round, so that one of us sees the other.
	e.State.Store(state&^StateMask | StateRemoved)
	crashpoint.Here("unnamed.closed")
	if !d.Used(i) {
		return true
	}
	e.State.Store(state)
	crashpoint.Here("unnamed.reopened")
	return false
}

// isInRing reports whether entries in that state belong into the ring of retired objects.
func isInRing(state uint64) bool {
	return state&StateMask == StateRemoved || state&StateMask == StateUnnamed
}
