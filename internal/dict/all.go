package dict

import (
	"math/bits"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
)

// An Entry is a key with its value, in memory of this process.
type Entry struct{ Key, Value []byte }

// All calls yield with each entry until it reports false. A key that is there from the beginning to
// the end comes exactly once, whatever grows meanwhile; one that comes or goes may come or not. It
// takes no lock unless writers are faster than it can look. Yield may use the Dict; what it gets is
// its own until it returns.
//
// The walk goes by hashes: each step copies the entries of the bucket that covers the present hash
// in the table of that moment. Doubling a table keeps the order of the hashes.
//
// Errors: [segment.ErrCorrupt], [lock.ErrClosed].
func (m *Map) All(yield func(Entry) bool) error {
	w := walk{m: m}
	for i := range m.local {
		w.i, w.from = uint64(i), 0
		for last := false; !last; {
			var err error
			if last, err = w.step(); err != nil {
				return err
			}
			for _, e := range w.entries {
				if !yield(e) {
					return nil
				}
			}
		}
	}
	runtime.KeepAlive(m)
	return nil
}

// A walk is where an iteration is.
type walk struct {
	m       *Map
	i       uint64 // number of the stripe
	from    uint64 // hash without the bits of the stripe, below which all was seen
	entries []Entry
	memory  []byte // of the entries
}

// step collects the entries of the bucket that covers from, and moves from behind it. It reports
// true at the end of the stripe.
func (w *walk) step() (last bool, err error) {
	s := w.m.stripe(w.i)
	for round := range w.m.o.Rounds(getRounds) {
		for range getTries {
			if next, last, ok := w.look(s); ok {
				w.from = next
				w.m.order.Acquire()
				return last, w.m.closedError()
			}
		}
		if err := w.m.quiet(w.i, round); err != nil {
			return false, err
		}
	}
	return false, w.m.corrupt()
}

// look is one try of step.
func (w *walk) look(s *stripe) (next uint64, last, ok bool) {
	m := w.m
	w.entries, w.memory = w.entries[:0], w.memory[:0]
	word := s.table.Load()
	if empty(word) {
		return 0, true, true
	}
	t, sound := m.table(word)
	if !sound {
		return 0, false, false
	}
	home := w.from >> (64 - t.log)
	i := home
	for n := uint64(1) << t.log; n > 0; n-- {
		more, ok := w.bucket(s, t, i, home)
		if !ok {
			return 0, false, false
		}
		if !more {
			break
		}
		i = (i + 1) & (1<<t.log - 1)
	}
	if s.table.Load() != word {
		return 0, false, false
	}
	return (home + 1) << (64 - t.log), home+1 == 1<<t.log, true
}

// bucket copies those entries of a bucket that a search finds which begins at home. It reports
// whether further ones may lie in later buckets, and false when what it read is not of one instant.
func (w *walk) bucket(s *stripe, t table, i, home uint64) (more, ok bool) {
	m := w.m
	if m.words {
		return w.wordBucket(t, i, home)
	}
	b := view[bucket](m, t.base+i*bucketBytes)
	v := b.version.Load()
	for j := range b.slot {
		slot := b.slot[j].Load()
		if slot == 0 {
			continue
		}
		off := offsetOf(slot)
		if !m.inHeap(off, recordBytes) {
			return false, false
		}
		hash := view[record](m, off).hash
		if m.index(hash, t.log) != home || hash<<(64-m.shift) < w.from {
			continue
		}
		c, err := m.content(off)
		if err != nil {
			return false, false
		}
		if c.expiry != 0 && m.expired(s, c.expiry) {
			continue
		}
		w.add(m.mem[off+recordBytes:off+recordBytes+c.key], m.mem[c.value:c.value+c.length])
	}
	more = b.passed.Load() != 0
	cpu.LoadFence()
	return more, b.version.Load() == v
}

func (w *walk) wordBucket(t table, i, home uint64) (more, ok bool) {
	m := w.m
	b := view[pairs](m, t.base+i*pairsBytes)
	v := b.version.Load()
	for left := b.tags.Load() & (tagBit * everyTag); left != 0; left &= left - 1 {
		j := bits.TrailingZeros64(left) / 8
		var key, value [8]byte
		k := appendWord(key[:0], b.key[j].Load(), m.keyBytes)
		hash := m.hash(k)
		if m.index(hash, t.log) != home || hash<<(64-m.shift) < w.from {
			continue
		}
		w.add(k, appendWord(value[:0], b.value[j].Load(), m.valueBytes))
	}
	more = b.passed.Load() != 0
	cpu.LoadFence()
	return more, b.version.Load() == v
}

// add copies an entry.
func (w *walk) add(key, value []byte) {
	k := len(w.memory)
	w.memory = append(append(w.memory, key...), value...)
	v := k + len(key)
	w.entries = append(w.entries, Entry{w.memory[k:v:v], w.memory[v:len(w.memory):len(w.memory)]})
}
