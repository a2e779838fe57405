package dict

import (
	"math/bits"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
)

// GetWord is Get of the layout words: key and value are little-endian, with zeros above their
// bytes.
//
// It is written for a key that is in its first bucket, as nearly all are: without a call, and with
// no branch that depends on the place. All else is left to readWord. A search costs as much as
// there are instructions that wait for its bucket.
//
// Errors: [segment.ErrCorrupt], [lock.ErrClosed].
func (m *Map) GetWord(key uint64) (value uint64, ok bool, err error) {
	if m.keyBytes != 8 {
		return m.getWordSlow(m.hashWord(key), key)
	}
	h := hash8(key, m.flip8)
	s := m.stripe(m.stripeOf(h))
	word := s.table.Load() // SYNC: table: the buckets that it leads to are complete
	t := tableOf(word)
	if t.log > maxTableLog || t.base < m.start || t.base+pairsBytes<<(t.log&63) > m.end.Load() {
		return m.getWordSlow(h, key)
	}
	b := view[pairs](m, t.base+m.index(h, t.log)*pairsBytes)
	version := b.version.Load()
	// SYNC: tags: the key and the value of each byte are complete
	place := bits.TrailingZeros64(withTag(b.tags.Load(), tagOf(h))) / 8
	if place >= slots || b.key[place].Load() != key {
		return m.getWordSlow(h, key)
	}
	value = b.value[place].Load()
	cpu.LoadFence() // all of the bucket was read before its version is read again
	if b.version.Load() != version || s.table.Load() != word || m.there.Over() {
		return m.getWordSlow(h, key)
	}
	m.order.Acquire()
	runtime.KeepAlive(m)
	return value, true, nil
}

// getWordSlow is GetWord of any key.
func (m *Map) getWordSlow(h, key uint64) (value uint64, ok bool, err error) {
	value, state := m.readWord(m.stripe(m.stripeOf(h)), h, key)
	if state == again {
		var b [8]byte
		v, ok, err := m.Get(b[:0], m.keyOf(key))
		return wordOf(v), ok, err
	}
	m.order.Acquire()
	if m.o.Closed() {
		err = m.o.Gone()
	}
	runtime.KeepAlive(m)
	return value, state == hit && err == nil, err
}

// keyOf is the key of a word.
func (m *Map) keyOf(word uint64) []byte { return appendWord(make([]byte, 0, 8), word, m.keyBytes) }

func (m *Map) hashWord(key uint64) uint64 {
	var b [8]byte
	return m.hash(appendWord(b[:0], key, m.keyBytes))
}

// hash8 is the hash of a key of 8 bytes: XXH3, written out for a word.
func hash8(key, flip uint64) uint64 {
	h := bits.RotateLeft64(key, 32) ^ flip
	h ^= bits.RotateLeft64(h, 49) ^ bits.RotateLeft64(h, 24)
	h *= 0x9fb21c651e98df25
	h ^= h>>35 + 8
	h *= 0x9fb21c651e98df25
	return h ^ h>>28
}

// flip8 is what hash8 needs of the seed.
func flip8(seed uint64) uint64 {
	return (0x1cad21f72c81017c ^ 0xdb979083e96dd4de) - (seed ^ uint64(bits.ReverseBytes32(uint32(seed)))<<32)
}
