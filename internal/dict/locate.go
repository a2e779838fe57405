package dict

import (
	"math/bits"
	"sync/atomic"
)

// A seat is where a key is, under the lock.
type seat struct {
	slot   *atomic.Uint64
	bucket *bucket
	probes uint64 // buckets that were passed on the way
	off    uint64 // of the record
}

// locate finds the key; the slot is nil when it is not there. One that has expired is there.
//
// Errors: [segment.ErrCorrupt].
func (h hold) locate(hash uint64, key []byte) (seat, error) {
	return h.search(hash, func(slot uint64) bool {
		off := offsetOf(slot)
		r := view[record](h.m, off)
		n := uint64(len(key))
		return uint64(r.key) == n && h.m.inHeap(off, recordBytes+n) && string(h.m.mem[off+recordBytes:off+recordBytes+n]) == string(key)
	})
}

// naming finds the slot that names the record at off, which has that hash.
func (h hold) naming(off, hash uint64) (seat, error) {
	word := slotWord(off, hash)
	return h.search(hash, func(slot uint64) bool { return slot == word })
}

// search finds the slot with the tag of the hash that is the right one. Each names a record that
// can be read.
func (h hold) search(hash uint64, right func(slot uint64) bool) (seat, error) {
	word := h.table.Load()
	if empty(word) {
		return seat{}, nil
	}
	t, ok := h.m.table(word)
	if !ok {
		return seat{}, h.m.corrupt()
	}
	i := h.m.index(hash, t.log)
	for probes := range uint64(1) << t.log {
		b := view[bucket](h.m, t.base+i*bucketBytes)
		for found := b.match(hash << slotBits); found != 0; found &= found - 1 {
			p := &b.slot[min(bits.TrailingZeros32(found), slots-1)]
			slot := p.Load()
			if slot == 0 {
				continue
			}
			if !h.m.inHeap(offsetOf(slot), recordBytes) {
				return seat{}, h.m.corrupt()
			}
			if right(slot) {
				return seat{p, b, probes, offsetOf(slot)}, nil
			}
		}
		if b.passed.Load() == 0 {
			break
		}
		i = (i + 1) & (1<<t.log - 1)
	}
	return seat{}, nil
}

// A content is what a record holds. It is read once from shared memory, and checked.
type content struct {
	key    uint64 // bytes
	pair   uint64 // bytes of each of two places; 0: there is one
	size   uint64 // bytes of the record
	state  uint64
	value  uint64 // offset of the valid place
	length uint64 // bytes of the value
	expiry uint64
}

// content reads a record of which the first [recordBytes] can be read.
//
// Errors: [segment.ErrCorrupt] when its parts do not fit into it.
func (m *Map) content(off uint64) (c content, err error) {
	r := view[record](m, off)
	c.key, c.pair, c.size, c.state = uint64(r.key), uint64(r.pair)*8, uint64(r.size)*8, r.state.Load()
	c.length, c.expiry = c.state&lengthMask, c.state>>expiryShift
	first := recordBytes + round8(c.key)
	c.value = off + first + placeOf(c.state)*c.pair
	need := first + round8(c.length)
	if c.pair > 0 {
		need = first + 2*c.pair
	}
	if need > c.size || c.pair > 0 && c.length > c.pair || c.pair == 0 && placeOf(c.state) != 0 || !m.inHeap(off, c.size) {
		return c, m.corrupt()
	}
	return c, nil
}

// value is the value of the key, in shared memory, under the lock. One that has expired is not
// there.
func (h hold) value(hash uint64, key []byte) (value []byte, ok bool, err error) {
	if h.m.words {
		return h.wordValue(hash, key)
	}
	at, err := h.locate(hash, key)
	if err != nil || at.slot == nil {
		return nil, false, err
	}
	c, err := h.m.content(at.off)
	if err != nil || c.expiry != 0 && h.m.expired(h.stripe, c.expiry) {
		return nil, false, err
	}
	return h.m.mem[c.value : c.value+c.length : c.value+c.length], true, nil
}
