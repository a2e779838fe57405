package dict

import (
	"context"
	"encoding/binary"
	"math/bits"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/segment"
)

// Keys and values of fixed sizes of up to 8 bytes lie in the buckets: there are no records, no
// pages and no garbage. A byte of tags makes a key exist, the store of a value replaces it.

const (
	everyTag = 0x01_01_01_01_01_01_01 // a 1 in each byte of tags
	tagBit   = 128                    // of a byte that is not empty
)

// tagOf is the byte in tags of a key with that hash.
func tagOf(h uint64) uint64 { return h&(tagBit-1) | tagBit }

// withTag has bit 7 set of each byte of tags that is tag, and perhaps of later ones.
func withTag(tags, tag uint64) uint64 {
	x := tags ^ tag*everyTag
	return (x - everyTag) &^ x & (tagBit * everyTag)
}

// emptyPlace is the first place without a key; [slots] when there is none.
func emptyPlace(tags uint64) int { return bits.TrailingZeros64(^tags&(tagBit*everyTag)|1<<63) / 8 }

// wordOf is up to 8 bytes as a word.
func wordOf(b []byte) uint64 {
	if len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	w := uint64(0)
	for i, c := range b[:min(len(b), 8)] {
		w |= uint64(c) << (8 * i)
	}
	return w
}

// appendWord appends the first n bytes of a word.
func appendWord(dst []byte, w uint64, n int) []byte {
	if n == 8 {
		return binary.LittleEndian.AppendUint64(dst, w)
	}
	for range n {
		dst = append(dst, byte(w))
		w >>= 8
	}
	return dst
}

// Words reports whether the Dict has the layout words.
func (m *Map) Words() bool { return m.words }

// readWord is one try of Get.
func (m *Map) readWord(s *stripe, h, k uint64) (value uint64, state int) {
	word := s.table.Load() // SYNC: table: the buckets that it leads to are complete
	if empty(word) {
		return 0, miss
	}
	t := tableOf(word)
	if t.log > maxTableLog || !m.inHeap(t.base, pairsBytes<<t.log) {
		return 0, again
	}
	i := m.index(h, t.log)
	for n := uint64(1) << t.log; n > 0; n-- {
		b := view[pairs](m, t.base+i*pairsBytes)
		v := b.version.Load()
		place := b.find(h, k)
		got := uint64(0)
		if place < slots {
			got = b.value[place].Load()
		}
		more := b.passed.Load() != 0
		cpu.LoadFence() // all of the bucket was read before its version is read again
		if b.version.Load() != v {
			return 0, again
		}
		if place < slots {
			if s.table.Load() != word {
				return 0, again
			}
			return got, hit
		}
		if !more {
			break
		}
		i = (i + 1) & (1<<t.log - 1)
	}
	if s.table.Load() != word {
		return 0, again
	}
	return 0, miss
}

// find is the place of a key; [slots] when it is not there.
func (b *pairs) find(h, key uint64) (place int) {
	// SYNC: tags: the key and the value of each byte are complete
	for found := withTag(b.tags.Load(), tagOf(h)); found != 0; found &= found - 1 {
		place := bits.TrailingZeros64(found) / 8
		if place < slots && b.key[place].Load() == key {
			return place
		}
	}
	return slots
}

// A wordSeat is where a key is, under the lock.
type wordSeat struct {
	b      *pairs
	place  int
	probes uint64
}

// locateWord finds the key; b is nil when it is not there.
func (h hold) locateWord(hash uint64, key []byte) (at wordSeat, err error) {
	word := h.table.Load()
	if empty(word) {
		return at, nil
	}
	t, ok := h.m.table(word)
	if !ok {
		return at, h.m.corrupt()
	}
	k := wordOf(key)
	i := h.m.index(hash, t.log)
	for probes := range uint64(1) << t.log {
		b := view[pairs](h.m, t.base+i*pairsBytes)
		if place := b.find(hash, k); place < slots {
			return wordSeat{b, place, probes}, nil
		}
		if b.passed.Load() == 0 {
			break
		}
		i = (i + 1) & (1<<t.log - 1)
	}
	return at, nil
}

// wordValue is [hold.value] of the layout words.
func (h hold) wordValue(hash uint64, key []byte) (value []byte, ok bool, err error) {
	at, err := h.locateWord(hash, key)
	if err != nil || at.b == nil {
		return nil, false, err
	}
	return appendWord(nil, at.b.value[at.place].Load(), h.m.valueBytes), true, nil
}

// setWord is Set, under the lock.
//
// What a death leaves behind: a place that is filled and does not count; a count that is behind.
func (h hold) setWord(ctx context.Context, hash uint64, key, value []byte) error {
	if len(key) != h.m.keyBytes || len(value) != h.m.valueBytes {
		return segment.Invalid("a key of %d bytes and a value of %d: they must have %d and %d", len(key), len(value), h.m.keyBytes, h.m.valueBytes)
	}
	at, err := h.locateWord(hash, key)
	if err != nil {
		return err
	}
	if at.b != nil {
		storeRelease(&at.b.value[at.place], wordOf(value)) // with this the key has the new value
		crashpoint.Here("dict.word")
		return nil
	}
	if err := h.widen(ctx); err != nil {
		return err
	}
	t, ok := h.m.table(h.table.Load())
	if !ok {
		return h.m.corrupt()
	}
	i := h.m.index(hash, t.log)
	for range uint64(1) << t.log {
		b := view[pairs](h.m, t.base+i*pairsBytes)
		tags := b.tags.Load()
		if j := emptyPlace(tags); j < slots {
			storeRelease(&b.value[j], wordOf(value))
			storeRelease(&b.key[j], wordOf(key))
			crashpoint.Here("dict.word.written")
			storeRelease(&b.tags, tags|tagOf(hash)<<(8*j)) // with this the key is there
			crashpoint.Here("dict.word.inserted")
			h.count.Store(h.count.Load() + 1)
			crashpoint.Here("dict.counted")
			return nil
		}
		b.passed.Store(b.passed.Load() + 1) // before: never less than what is true
		crashpoint.Here("dict.passed")
		i = (i + 1) & (1<<t.log - 1)
	}
	return h.m.corrupt()
}

// removeWord is Delete, under the lock.
//
// What a death leaves behind: a version and a count that are behind; counts of passed that are too
// high.
func (h hold) removeWord(hash uint64, key []byte) (was bool, err error) {
	at, err := h.locateWord(hash, key)
	if err != nil || at.b == nil {
		return false, err
	}
	b := at.b
	storeRelease(&b.tags, b.tags.Load()&^(255<<(8*at.place))) // with this the key is gone
	crashpoint.Here("dict.word.deleted")
	storeRelease32(&b.version, b.version.Load()+1) // SYNC: version: before the place is used again
	cpu.StoreFence()
	crashpoint.Here("dict.version")
	h.count.Store(h.count.Load() - 1)
	if t, ok := h.m.table(h.table.Load()); ok {
		for i, n := h.m.index(hash, t.log), at.probes; n > 0; n-- {
			p := view[pairs](h.m, t.base+i*pairsBytes)
			p.passed.Store(p.passed.Load() - 1)
			i = (i + 1) & (1<<t.log - 1)
		}
	}
	crashpoint.Here("dict.unpassed")
	return true, nil
}

// rehashWords is rehash of the layout words.
func (h hold) rehashWords(old, t table) error {
	var buf [8]byte
	for i := range uint64(1) << old.log {
		b := view[pairs](h.m, old.base+i*pairsBytes)
		for used := b.tags.Load() & (tagBit * everyTag); used != 0; used &= used - 1 {
			j := bits.TrailingZeros64(used) / 8
			key := b.key[j].Load()
			hash := h.m.hash(appendWord(buf[:0], key, h.m.keyBytes))
			if !h.placeWord(t, hash, key, b.value[j].Load()) {
				return h.m.corrupt()
			}
		}
	}
	return nil
}

// placeWord is the insertion into buckets that no other process sees.
func (h hold) placeWord(t table, hash, key, value uint64) bool {
	i := h.m.index(hash, t.log)
	for range uint64(1) << t.log {
		b := view[pairs](h.m, t.base+i*pairsBytes)
		tags := plain(&b.tags)
		if j := emptyPlace(*tags); j < slots {
			*plain(&b.key[j]), *plain(&b.value[j]) = key, value
			*tags |= tagOf(hash) << (8 * j)
			return true
		}
		*plain32(&b.passed)++
		i = (i + 1) & (1<<t.log - 1)
	}
	return false
}

// mend is what [hold.mendBuckets] does to a bucket.
func (b *pairs) mend() (keys uint64) {
	storeRelease32(&b.version, b.version.Load()+1)
	return uint64(bits.OnesCount64(b.tags.Load() & (tagBit * everyTag)))
}
