package dict

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// insert puts the word of a new key into an empty slot.
//
// What a death leaves behind: counts of passed that are too high; a count of keys that is behind.
func (h hold) insert(hash, word uint64) error {
	t, ok := h.m.table(h.table.Load())
	if !ok {
		return h.m.corrupt()
	}
	i := h.m.index(hash, t.log)
	for range uint64(1) << t.log {
		b := view[bucket](h.m, t.base+i*bucketBytes)
		for j := range b.slot {
			if b.slot[j].Load() == 0 {
				storeRelease(&b.slot[j], word) // with this the key is there
				crashpoint.Here("dict.inserted")
				h.count.Store(h.count.Load() + 1)
				crashpoint.Here("dict.counted")
				return nil
			}
		}
		b.passed.Store(b.passed.Load() + 1) // before: never less than what is true
		crashpoint.Here("dict.passed")
		i = (i + 1) & (1<<t.log - 1)
	}
	return h.m.corrupt()
}

// widen gives the stripe more buckets when one more key fills more than three quarters of the
// slots. Where there is no memory for that, it goes on as long as there are slots.
func (h hold) widen(ctx context.Context) error {
	word := h.table.Load()
	places := uint64(0)
	if !empty(word) {
		places = slots << (word & tableLogMask)
	}
	keys := h.count.Load() + 1
	if keys*4 <= places*3 {
		return nil
	}
	err := h.growBounded(ctx)
	switch {
	case !lacksRoom(err):
		return err
	case keys <= places:
		return nil
	case h.m.maxBytes > 0 && places > 0:
		return h.reclaim(ctx, func() (bool, error) { return h.count.Load() < places, nil })
	}
	return err
}

// growBounded is grow which first evicts where there is a bound.
func (h hold) growBounded(ctx context.Context) error {
	more := h.m.tableBytes(h.table.Load()) // by so much the new buckets need more
	if more > 0 && h.over(more) {
		if err := h.reclaim(ctx, func() (bool, error) { return !h.over(more), nil }); err != nil {
			return err
		}
	}
	return h.grow(ctx)
}

// grow doubles the buckets of the stripe, or makes the first ones. Readers of the old ones find
// that the table is another, and look again. Other writers of the stripe wait meanwhile: the words
// of its keys are copied, and records are looked at for their hash, but do not move.
//
// What a death leaves behind: a block of a dead process; or adding and dropping name two tables, of
// which the table word names one.
func (h hold) grow(ctx context.Context) error {
	word := h.table.Load()
	log := uint(h.m.head.firstLog)
	var old table
	if !empty(word) {
		var ok bool
		if old, ok = h.m.table(word); !ok {
			return h.m.corrupt()
		}
		log = old.log + 1
	}
	if log > maxTableLog {
		return h.m.corrupt()
	}
	size := h.m.bucketSize() << log
	off, err := h.allocTable(ctx, size)
	if err != nil {
		return err
	}
	t := table{base: off + blockPad, log: log}
	clear(h.m.mem[t.base : t.base+size])
	if old.base != 0 {
		err = h.rehash(old, t)
	}
	if err != nil {
		h.m.s.FreeSoon(off)
		return err
	}
	crashpoint.Here("dict.table.filled")
	return h.publish(word, t)
}

// allocTable allocates a block for buckets of that size: they begin at a line behind its start.
func (h hold) allocTable(ctx context.Context, size uint64) (off uint64, err error) {
	if h.m.maxBytes == 0 && empty(h.table.Load()) {
		off, _, err = h.m.s.AllocDirtyContext(ctx, int(size+blockPad))
	} else {
		off, err = h.m.s.TryAllocDirty(ctx, int(size+blockPad))
	}
	if err == nil && !h.m.inHeap(off, size+blockPad) {
		err = h.m.corrupt()
	}
	return off, err
}

// publish makes a table that is complete that of the stripe, in place of the one of that word.
func (h hold) publish(word uint64, t table) error {
	if !empty(word) {
		h.dropping = word&tableOffsetMask - blockPad
		crashpoint.Here("dict.table.dropping")
	}
	h.adding = t.base - blockPad
	crashpoint.Here("dict.table.adding")
	if err := h.m.o.Adopt(t.base-blockPad, uint32(h.i)); err != nil {
		return err
	}
	// SYNC: table: the buckets are complete before the word leads to them. A reader of the old ones
	// sees another word before their memory is used again.
	// with this the new buckets count
	storeRelease(&h.table, (word>>tableGenShift+1)<<tableGenShift|t.base|uint64(t.log))
	crashpoint.Here("dict.table.grown")
	h.adding = 0
	crashpoint.Here("dict.table.added")
	return h.giveBack()
}

// rehash fills new buckets, which are zeros and which no other process sees, from old ones.
func (h hold) rehash(old, t table) error {
	if h.m.words {
		return h.rehashWords(old, t)
	}
	for i := range uint64(1) << old.log {
		b := view[bucket](h.m, old.base+i*bucketBytes)
		for j := range b.slot {
			w := b.slot[j].Load()
			if w == 0 {
				continue
			}
			if !h.m.inHeap(offsetOf(w), recordBytes) {
				return h.m.corrupt()
			}
			if !h.place(t, view[record](h.m, offsetOf(w)).hash, w) {
				return h.m.corrupt()
			}
		}
	}
	return nil
}

// place is insert into buckets that no other process sees.
func (h hold) place(t table, hash, word uint64) bool {
	i := h.m.index(hash, t.log)
	for range uint64(1) << t.log {
		b := view[bucket](h.m, t.base+i*bucketBytes)
		for j := range b.slot {
			if p := plain(&b.slot[j]); *p == 0 {
				*p = word
				return true
			}
		}
		*plain32(&b.passed)++
		i = (i + 1) & (1<<t.log - 1)
	}
	return false
}

// Clear removes all keys, stripe by stripe: not at one instant. It waits for writers until ctx
// ends; some stripes may be empty then.
//
// Errors: [segment.ErrCorrupt], [lock.ErrClosed], the context's error.
func (m *Map) Clear(ctx context.Context) error {
	for i := range m.local {
		h, err := m.lock(ctx, uint64(i))
		if err != nil {
			return err
		}
		wake := h.cancelClaims()
		err = h.clear()
		h.unlock(&err)
		if wake {
			m.ringFillers(h.i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clear removes all keys of the stripe.
//
// What a death leaves behind: pages of which nothing is named.
func (h hold) clear() error {
	word := h.table.Load()
	if !empty(word) {
		h.dropping = word&tableOffsetMask - blockPad
		crashpoint.Here("dict.clear.dropping")
		// with this the stripe is empty
		storeRelease(&h.table, (word>>tableGenShift+1)<<tableGenShift)
		crashpoint.Here("dict.cleared")
	}
	h.count.Store(0)
	h.live, h.cursor = 0, 0
	crashpoint.Here("dict.clear.counted")
	if err := h.giveBack(); err != nil {
		return err
	}
	for h.first != h.current {
		if err := h.unlinkPage(h.first); err != nil {
			return err
		}
	}
	if h.spare != 0 {
		h.dropping = h.spare
		h.spare = 0
		crashpoint.Here("dict.clear.spare")
		if err := h.giveBack(); err != nil {
			return err
		}
	}
	if h.current == 0 {
		return nil
	}
	p, _, _, err := h.page(h.current)
	if err == nil {
		p.used = pageBytes
		crashpoint.Here("dict.clear.page")
	}
	return err
}
