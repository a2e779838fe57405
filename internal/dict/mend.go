package dict

import (
	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
)

// mend makes a stripe whole after a process died with its lock. Slots, the table word, the links of
// the pages and the words spare and claims are the truth, and the rest is derived from it, or from
// subject and after. Readers notice nothing. It may be killed at any point and run again.
func (h hold) mend() error {
	if err := h.mendBuckets(); err != nil {
		return err
	}
	if err := h.mendLive(); err != nil {
		return err
	}
	if err := h.mendPages(); err != nil {
		return err
	}
	if err := h.mendPending(&h.adding); err != nil {
		return err
	}
	if err := h.mendPending(&h.dropping); err != nil {
		return err
	}
	h.repaired++
	return nil
}

// mendBuckets counts the keys, and changes all versions: the dead process may have given up a
// record and not come to that.
func (h hold) mendBuckets() error {
	word, count := h.table.Load(), uint64(0)
	if !empty(word) {
		t, ok := h.m.table(word)
		if !ok {
			return h.m.corrupt()
		}
		for i := range uint64(1) << t.log {
			if h.m.words {
				count += view[pairs](h.m, t.base+i*pairsBytes).mend()
			} else {
				count += view[bucket](h.m, t.base+i*bucketBytes).mend()
			}
		}
	}
	cpu.StoreFence()
	h.count.Store(count)
	crashpoint.Here("dict.mend.counted")
	return nil
}

func (b *bucket) mend() (keys uint64) {
	storeRelease32(&b.version, b.version.Load()+1)
	for j := range b.slot {
		if b.slot[j].Load() != 0 {
			keys++
		}
	}
	return keys
}

// mendLive finishes a change of the sum of live bytes, if it was committed.
func (h hold) mendLive() error {
	off, how := h.subject&^7, h.subject&7
	if off != 0 && h.m.inHeap(off, recordBytes) {
		at, err := h.naming(off, view[record](h.m, off).hash)
		if err != nil {
			return err
		}
		if (at.slot != nil) == (how == 1) {
			h.live = h.after
			crashpoint.Here("dict.mend.live")
		}
	}
	if empty(h.table.Load()) {
		h.live = 0
	}
	h.subject = 0
	crashpoint.Here("dict.mend.settled")
	return nil
}

// mendPages derives what is noted about the list of pages.
func (h hold) mendPages() error {
	before, last, bytes := uint64(0), uint64(0), uint64(0)
	for pg, left := h.first, h.m.mostPages(); pg != 0; left-- {
		p, size, _, err := h.page(pg)
		if err != nil || left == 0 {
			return h.m.corrupt()
		}
		before, last = last, pg
		bytes += size + blockPad
		pg = p.next
	}
	h.before, h.current, h.bytes = before, last, bytes
	h.cursor, h.kept = 0, 0
	crashpoint.Here("dict.mend.pages")
	return nil
}

// mostPages is more than the pages that a heap has room for.
func (m *Map) mostPages() uint64 { return m.end.Load()/minPage*2 + 2 }

// mendPending sees to the block that one of the words adding and dropping names: one that nothing
// uses is freed, unless it is the page of a large record, which was on its way in the list.
func (h hold) mendPending(word *uint64) error {
	off := *word
	if off == 0 {
		return nil
	}
	linked, err := h.linked(off)
	if err != nil {
		return err
	}
	if !linked {
		has, err := h.m.o.HasPart(background, off, uint32(h.i))
		if err != nil {
			return err
		}
		if has && h.inUse(off) {
			h.adding = off
			return h.insertPage(off)
		}
		if has {
			if err := h.m.o.Disown(off, uint32(h.i)); err != nil {
				return err
			}
			*word = 0
			crashpoint.Here("dict.mend.disowned")
			h.m.s.FreeSoon(off)
			return nil
		}
	}
	*word = 0
	crashpoint.Here("dict.mend.pending")
	return nil
}

// linked reports whether one of the words and lists that are the truth leads to a block.
func (h hold) linked(off uint64) (bool, error) {
	if h.spare == off || h.claims&^claimLog == off && h.claims != 0 || !empty(h.table.Load()) && h.table.Load()&tableOffsetMask-blockPad == off {
		return true, nil
	}
	for pg, left := h.first, h.m.mostPages(); pg != 0; left-- {
		p, _, _, err := h.page(pg)
		if err != nil || left == 0 {
			return false, h.m.corrupt()
		}
		if pg == off {
			return true, nil
		}
		pg = p.next
	}
	return false, nil
}

// inUse reports whether a block, which is a part, is a page with a large record that a slot names.
func (h hold) inUse(pg uint64) bool {
	if h.m.words || !h.m.inHeap(pg, pageBytes+recordBytes) {
		return false
	}
	off := pg + pageBytes
	c, err := h.m.content(off)
	if err != nil || c.size <= largeBytes {
		return false
	}
	at, err := h.naming(off, view[record](h.m, off).hash)
	return err == nil && at.slot != nil
}

// enterBoot removes what has an expiry of another boot of the machine, which means nothing in this
// one.
func (h hold) enterBoot() error {
	if h.boot.Load() != 0 && !h.m.words {
		if err := h.removeExpiring(); err != nil {
			return err
		}
	}
	h.boot.Store(h.m.boot)
	crashpoint.Here("dict.boot")
	return nil
}

func (h hold) removeExpiring() error {
	word := h.table.Load()
	if empty(word) {
		return nil
	}
	t, ok := h.m.table(word)
	if !ok {
		return h.m.corrupt()
	}
	for i := range uint64(1) << t.log {
		b := view[bucket](h.m, t.base+i*bucketBytes)
		for j := range b.slot {
			w := b.slot[j].Load()
			if w == 0 {
				continue
			}
			off := offsetOf(w)
			if !h.m.inHeap(off, recordBytes) {
				return h.m.corrupt()
			}
			r := view[record](h.m, off)
			if r.state.Load()>>expiryShift == 0 {
				continue
			}
			at, err := h.naming(off, r.hash)
			if err == nil && at.slot != nil {
				h.expired++
				err = h.remove(at)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
