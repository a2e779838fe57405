package dict

import (
	"context"
	"encoding/binary"
	"math/bits"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
)

// Keys and values of fixed sizes of up to 8 bytes lie in the buckets: there are no records, no
// pages and no garbage. A bit of used makes a key exist, the store of a value replaces it.

const (
	usedMask  = 1<<slots - 1
	passedOne = 1 << 8 // of the field used
)

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

// GetWord is Get of the layout words; the value is little-endian.
//
// Errors: [segment.ErrCorrupt], [lock.ErrClosed].
func (m *Map) GetWord(key []byte) (value uint64, ok bool, err error) {
	h := m.hash(key)
	value, state := m.readWord(m.stripe(m.stripeOf(h)), h, wordOf(key))
	if state == again {
		b, ok, err := m.Get(nil, key)
		return wordOf(b), ok, err
	}
	m.order.Acquire()
	if m.o.Closed() {
		err = lock.ErrClosed
	}
	runtime.KeepAlive(m)
	return value, state == hit, err
}

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
		used := b.used.Load() // SYNC: used: the key and the value of each bit are complete
		found := b.match(k) & used
		got := uint64(0)
		if found != 0 {
			got = b.value[min(bits.TrailingZeros32(found), slots-1)].Load()
		}
		cpu.LoadFence() // all of the bucket was read before its version is read again
		if b.version.Load() != v {
			return 0, again
		}
		if found != 0 {
			if s.table.Load() != word {
				return 0, again
			}
			return got, hit
		}
		if used < passedOne {
			break
		}
		i = (i + 1) & (1<<t.log - 1)
	}
	if s.table.Load() != word {
		return 0, again
	}
	return 0, miss
}

// match returns a bit for each place that holds the key, or held it once.
func (b *pairs) match(key uint64) uint32 {
	return equal(b.key[0].Load(), key, 0) | equal(b.key[1].Load(), key, 1) | equal(b.key[2].Load(), key, 2) |
		equal(b.key[3].Load(), key, 3) | equal(b.key[4].Load(), key, 4) | equal(b.key[5].Load(), key, 5) |
		equal(b.key[6].Load(), key, 6)
}

func equal(a, b uint64, j uint) (bit uint32) {
	if a == b {
		bit = 1
	}
	return bit << j
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
		used := b.used.Load()
		if found := b.match(k) & used; found != 0 {
			return wordSeat{b, min(bits.TrailingZeros32(found), slots-1), probes}, nil
		}
		if used < passedOne {
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
		used := b.used.Load()
		if j := bits.TrailingZeros32(^used); j < slots {
			storeRelease(&b.value[j], wordOf(value))
			storeRelease(&b.key[j], wordOf(key))
			crashpoint.Here("dict.word.written")
			storeRelease32(&b.used, used|1<<j) // with this the key is there
			crashpoint.Here("dict.word.inserted")
			h.count.Store(h.count.Load() + 1)
			crashpoint.Here("dict.counted")
			return nil
		}
		storeRelease32(&b.used, used+passedOne)
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
	storeRelease32(&b.used, b.used.Load()&^(1<<at.place)) // with this the key is gone
	crashpoint.Here("dict.word.deleted")
	storeRelease32(&b.version, b.version.Load()+1) // SYNC: version: before the place is used again
	cpu.StoreFence()
	crashpoint.Here("dict.version")
	h.count.Store(h.count.Load() - 1)
	if t, ok := h.m.table(h.table.Load()); ok {
		for i, n := h.m.index(hash, t.log), at.probes; n > 0; n-- {
			p := view[pairs](h.m, t.base+i*pairsBytes)
			storeRelease32(&p.used, p.used.Load()-passedOne)
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
		for used := b.used.Load() & usedMask; used != 0; used &= used - 1 {
			j := bits.TrailingZeros32(used)
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
		used := plain32(&b.used)
		if j := bits.TrailingZeros32(^*used); j < slots {
			*plain(&b.key[j]), *plain(&b.value[j]) = key, value
			*used |= 1 << j
			return true
		}
		*used += passedOne
		i = (i + 1) & (1<<t.log - 1)
	}
	return false
}

// mend is what [hold.mendBuckets] does to a bucket.
func (b *pairs) mend() (keys uint64) {
	storeRelease32(&b.version, b.version.Load()+1)
	return uint64(bits.OnesCount32(b.used.Load() & usedMask))
}
