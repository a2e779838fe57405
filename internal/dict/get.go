package dict

import (
	"context"
	"errors"
	"math/bits"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
)

const (
	getTries  = 256                  // how often a read tries before it locks
	getWait   = 5 * time.Millisecond // how long it then waits for the lock, at first
	getRounds = 10                   // how often it does both, each time waiting for twice as long
)

// Get appends the value of the key to dst. It takes no lock, writes nothing that others see but the
// touch bit of a bounded Dict, and never waits for a writer that was stopped or killed.
//
// Errors: [segment.ErrCorrupt], [lock.ErrClosed].
func (m *Map) Get(dst, key []byte) (value []byte, ok bool, err error) {
	h := m.hash(key)
	value, state := m.read(m.stripe(m.stripeOf(h)), h, dst, key)
	if state == again || m.there.Over() {
		return m.getSlow(h, dst, key)
	}
	m.order.Acquire()
	runtime.KeepAlive(m)
	return value, state == hit, nil
}

// getSlow is Get of a key that was not read at the first try.
func (m *Map) getSlow(h uint64, dst, key []byte) (value []byte, ok bool, err error) {
	i := m.stripeOf(h)
	s := m.stripe(i)
	for round := range m.o.Rounds(getRounds) {
		for range getTries {
			if value, state := m.read(s, h, dst, key); state != again {
				m.order.Acquire()
				err = m.closedError()
				runtime.KeepAlive(m)
				return value, state == hit && err == nil, err
			}
		}
		if m.o.ReadOnly() {
			if err := m.o.AwaitTurn(background, round); err != nil {
				return dst, false, err
			}
			continue
		}
		// Writers are faster than this reader can look. It keeps them out for once; when it does
		// not get the lock soon, one of them holds it and does nothing, so that the next look
		// succeeds.
		if value, ok, err = m.getLocked(i, h, dst, key, round); !errors.Is(err, context.DeadlineExceeded) {
			return value, ok && err == nil, err // the unlock may say that the object was left
		}
	}
	return dst, false, m.corrupt()
}

// read is one try of Get.
func (m *Map) read(s *stripe, h uint64, dst, key []byte) (value []byte, state int) {
	if m.words {
		w, state := m.readWord(s, h, wordOf(key))
		if state == hit {
			dst = appendWord(dst, w, m.valueBytes)
		}
		return dst, state
	}
	// Find is written out for a key in its first bucket that has no other with its tag before it,
	// as nearly each is: what goes through the registers of a call costs a tenth of a Get.
	word := s.table.Load() // SYNC: table: the buckets that it leads to are complete
	t, end, n := tableOf(word), m.end.Load(), uint64(len(key))
	if t.log > maxTableLog || t.base < m.start || t.base+bucketBytes<<(t.log&63) > end {
		return m.readFar(s, h, dst, key)
	}
	b := view[bucket](m, t.base+m.index(h, t.log)*bucketBytes)
	version := b.version.Load() // SYNC: version: read before the slots
	place := bits.TrailingZeros32(b.match(h << slotBits))
	if place >= slots {
		return m.readFar(s, h, dst, key)
	}
	off := offsetOf(b.slot[place].Load()) // SYNC: slot: the record is complete
	if off < m.start || off+recordBytes+n > end {
		return m.readFar(s, h, dst, key)
	}
	r := view[record](m, off)
	valid := r.state.Load()
	from, size := off+recordBytes+round8(n)+placeOf(valid)*uint64(r.pair)*8, valid&lengthMask
	if uint64(r.key) != n || from+size > end || string(m.bytes(off+recordBytes, n)) != string(key) {
		return m.readFar(s, h, dst, key)
	}
	crashpoint.Here("dict.get.found")
	value = append(dst, m.bytes(from, size)...)
	cpu.LoadFence() // the value was read before the version is read again
	// SYNC: version: a writer changes it before the memory of the value is used again. Without this
	// look the value could be that of another key, or half of each.
	if b.version.Load() != version || s.table.Load() != word {
		return dst, again
	}
	if expiry := valid >> expiryShift; expiry != 0 || m.touch != nil {
		return m.living(s, h, dst, value, expiry)
	}
	return value, hit
}

// readFar is read of any key.
func (m *Map) readFar(s *stripe, h uint64, dst, key []byte) (value []byte, state int) {
	sp := m.find(s, h, key)
	if sp.state != hit {
		return dst, sp.state
	}
	crashpoint.Here("dict.get.found")
	value = append(dst, m.bytes(sp.off, sp.size)...)
	cpu.LoadFence()
	// SYNC: version: as in read
	if sp.bucket.version.Load() != sp.version || s.table.Load() != sp.table {
		return dst, again
	}
	return m.living(s, h, dst, value, sp.expiry)
}

// living is the end of a read that has found a value: one whose time is over is not there.
func (m *Map) living(s *stripe, h uint64, dst, value []byte, expiry uint64) ([]byte, int) {
	if expiry != 0 && m.expired(s, expiry) {
		return dst, miss
	}
	if m.touch != nil {
		m.touchKey(h)
	}
	return value, hit
}

// expired reports whether an expiry that was found in the stripe has come.
func (m *Map) expired(s *stripe, expiry uint64) bool {
	return expiry <= m.ticks() || s.boot.Load() != m.boot
}

// closedError is an error when this process has closed the Dict, or only reads and the Dict was
// removed.
func (m *Map) closedError() error {
	if m.o.Closed() {
		return m.o.Gone()
	}
	return nil
}

// quiet waits until no writer is at work in a stripe. It gives up soon: then one holds the lock and
// does nothing, which is as quiet. A process that only reads lets a moment pass.
func (m *Map) quiet(i uint64, round int) (err error) {
	if m.o.ReadOnly() {
		return m.o.AwaitTurn(background, round)
	}
	ctx, cancel := context.WithTimeout(background, getWait<<round)
	defer cancel()
	h, err := m.lock(ctx, i)
	if err == nil {
		h.unlock(&err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// getLocked is Get under the lock of the stripe, if it gets that soon.
//
// Errors: [context.DeadlineExceeded] when it does not.
func (m *Map) getLocked(i, hash uint64, dst, key []byte, round int) (value []byte, ok bool, err error) {
	ctx, cancel := context.WithTimeout(background, getWait<<round)
	defer cancel()
	h, err := m.lock(ctx, i)
	if err != nil {
		return dst, false, err
	}
	defer h.unlock(&err)
	old, ok, err := h.value(hash, key)
	if !ok || err != nil {
		return dst, false, err
	}
	return append(dst, old...), true, nil
}

// touchKey notes that a key was read, for a second chance. Mostly it only looks.
func (m *Map) touchKey(h uint64) {
	w, bit := m.touchBit(h)
	if p := m.touchWord(w); p.Load()&bit == 0 {
		p.Or(bit)
	}
}

// takeTouch reports whether the key was read since the last takeTouch.
func (m *Map) takeTouch(h uint64) bool {
	w, bit := m.touchBit(h)
	p := m.touchWord(w)
	if p.Load()&bit == 0 {
		return false
	}
	p.And(^bit)
	return true
}

func (m *Map) touchBit(h uint64) (word uint64, bit uint32) {
	i := h * 0x9e3779b97f4a7c15 >> 7 & m.touchMask
	return i / 32, 1 << (i % 32)
}
