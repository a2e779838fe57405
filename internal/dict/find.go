package dict

import (
	"math/bits"

	"github.com/shmkit/shmkit/internal/cpu"
)

// A slot is the offset of a record / 8 below the low bits of its hash.
const (
	slotBits = 43
	slotMask = 1<<slotBits - 1
)

func slotWord(off, h uint64) uint64 { return off>>3 | h<<slotBits }

func offsetOf(slot uint64) uint64 { return slot & slotMask << 3 }

// A table word is the offset of the buckets, a multiple of 64, with log2 of their number in its low
// bits. The generation above them changes with each table, so that no word comes back.
const (
	tableLogMask    = 63
	tableOffsetMask = 1<<46 - 64
	tableGenShift   = 46
	maxTableLog     = 40
)

// A table is the buckets of a stripe, as its table word describes them.
type table struct {
	word uint64
	base uint64
	log  uint
}

// tableOf reads a table word apart.
func tableOf(word uint64) table {
	return table{word, word & tableOffsetMask, uint(word & tableLogMask)}
}

// table is tableOf a word that stands for some buckets. It reports false when they cannot be there.
func (m *Map) table(word uint64) (t table, ok bool) {
	t = tableOf(word)
	return t, t.log <= maxTableLog && m.inHeap(t.base, m.bucketSize()<<t.log)
}

// empty reports whether a table word stands for no buckets.
func empty(word uint64) bool { return word&tableOffsetMask == 0 }

func (m *Map) bucketSize() uint64 {
	if m.words {
		return pairsBytes
	}
	return bucketBytes
}

// tableBytes is the size of the buckets that a table word describes.
func (m *Map) tableBytes(word uint64) uint64 {
	if empty(word) || word&tableLogMask > maxTableLog {
		return 0
	}
	return m.bucketSize() << (word & tableLogMask)
}

// index is the bucket where the search for a hash begins: the bits below those of the stripe.
// Log is at most 63.
func (m *Map) index(h uint64, log uint) uint64 {
	return h << (m.stripeBits & 63) >> 1 >> (^log & 63)
}

const (
	again = iota // what was read is not of one instant
	hit
	miss
)

// A spot is where a value seems to be. It was there if the version of its bucket, and the table,
// are the same after the value was read.
type spot struct {
	state     int
	off, size uint64 // of the value
	expiry    uint64
	bucket    *bucket
	version   uint32
	table     uint64
}

// find looks for a key without a lock. What it reads may change at any time: it checks all offsets
// and lengths, and its caller checks the versions.
func (m *Map) find(s *stripe, h uint64, key []byte) (sp spot) {
	word := s.table.Load() // SYNC: table: the buckets that it leads to are complete
	if empty(word) {
		return spot{state: miss}
	}
	t := tableOf(word)
	if t.log > maxTableLog || !m.inHeap(t.base, bucketBytes<<t.log) {
		return sp
	}
	i := m.index(h, t.log)
	for n := uint64(1) << t.log; n > 0; n-- {
		b := view[bucket](m, t.base+i*bucketBytes)
		v := b.version.Load() // SYNC: version: read before the slots
		for found := b.match(h << slotBits); found != 0; found &= found - 1 {
			// SYNC: slot: the record is complete
			slot := b.slot[min(bits.TrailingZeros32(found), slots-1)].Load()
			if slot == 0 {
				continue
			}
			off := offsetOf(slot)
			if !m.inHeap(off, recordBytes) {
				return sp
			}
			r := view[record](m, off)
			if uint64(r.key) != uint64(len(key)) {
				continue
			}
			state, pair := r.state.Load(), uint64(r.pair)
			value := off + recordBytes + round8(uint64(len(key))) + placeOf(state)*pair*8
			if !m.inHeap(value, state&lengthMask) {
				return sp
			}
			if string(m.mem[off+recordBytes:off+recordBytes+uint64(len(key))]) == string(key) {
				return spot{hit, value, state & lengthMask, state >> expiryShift, b, v, word}
			}
		}
		more := b.passed.Load() != 0
		cpu.LoadFence() // all of the bucket was read before its version is read again
		if b.version.Load() != v {
			return sp
		}
		if !more {
			break
		}
		i = (i + 1) & (1<<t.log - 1)
	}
	if s.table.Load() != word {
		return sp
	}
	return spot{state: miss}
}

// match returns a bit for each slot with the tag. It has no branches, for there is nothing to
// predict.
func (b *bucket) match(tag uint64) uint32 {
	return tagged(b.slot[0].Load(), tag, 0) | tagged(b.slot[1].Load(), tag, 1) | tagged(b.slot[2].Load(), tag, 2) |
		tagged(b.slot[3].Load(), tag, 3) | tagged(b.slot[4].Load(), tag, 4) | tagged(b.slot[5].Load(), tag, 5) |
		tagged(b.slot[6].Load(), tag, 6)
}

func tagged(slot, tag uint64, j uint) (bit uint32) {
	if slot>>slotBits == tag>>slotBits {
		bit = 1
	}
	return bit << j
}

func round8(n uint64) uint64 { return (n + 7) &^ 7 }

// The state of a record.
const (
	lengthMask  = 1<<30 - 1
	placeBit    = 1 << 30
	expiryShift = 31
)

// placeOf is which of the places holds the value: 0 or 1.
func placeOf(state uint64) uint64 { return state >> 30 & 1 }

func stateOf(length, place, expiry uint64) uint64 { return length | place<<30 | expiry<<expiryShift }
