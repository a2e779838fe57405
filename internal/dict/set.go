package dict

import (
	"context"
	"encoding/binary"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/segment"
)

// Spans of life that are no number of ticks.
const (
	DefaultLife = ^uint64(0)     // the Dict's TTL
	KeepLife    = ^uint64(0) - 1 // what the key has; the Dict's TTL when it is not there
)

// Set makes value the value of the key. It lives for so many ticks; 0: for ever. It waits for other
// writers of the stripe until ctx ends. After an error the key is as it was.
//
// Errors: [fs.ErrInvalid] for what can never fit, a [*mapping.NoSpaceError], [segment.ErrCorrupt],
// [lock.ErrClosed], the context's error.
func (m *Map) Set(ctx context.Context, key, value []byte, life uint64) (err error) {
	if err := m.check(key, value, life); err != nil {
		return err
	}
	hash := m.hash(key)
	h, err := m.lock(ctx, m.stripeOf(hash))
	if err != nil {
		return err
	}
	wake := h.cancelClaim(hash)
	if m.words {
		err = h.setWord(ctx, hash, key, value)
	} else {
		err = h.set(ctx, hash, key, value, life)
	}
	h.unlock(&err)
	if wake {
		m.ringFillers(h.i)
	}
	return err
}

// check says why this Dict can never hold that.
func (m *Map) check(key, value []byte, life uint64) error {
	if err := m.checkKey(key); err != nil {
		return err
	}
	if m.words && life < KeepLife && life != 0 {
		return segment.Invalid("keys and values of at most 8 bytes have no expiry in a Dict without TTL and MaxBytes: make it with one of them")
	}
	return m.checkValue(key, value)
}

// expiry is when a value expires that is set now. Old is the expiry of the record that it replaces,
// if there is one.
func (h hold) expiry(life uint64, replaces bool, old uint64) uint64 {
	if life == KeepLife {
		if replaces && (old == 0 || !h.m.expired(h.stripe, old)) {
			return old
		}
		life = DefaultLife
	}
	if life == DefaultLife {
		life = h.m.ttl
	}
	return h.m.expiryIn(life)
}

// set is Set of the layout records, under the lock.
func (h hold) set(ctx context.Context, hash uint64, key, value []byte, life uint64) error {
	at, err := h.locate(hash, key)
	if err != nil {
		return err
	}
	var old content
	expiry := uint64(0)
	if at.slot != nil {
		if old, err = h.m.content(at.off); err != nil {
			return err
		}
		expiry = h.expiry(life, true, old.expiry)
		if h.inPlace(at, old, value, expiry) {
			return nil
		}
	} else {
		expiry = h.expiry(life, false, 0)
	}
	pair := h.m.pairFor(uint64(len(value)), at.slot != nil)
	size := recordBytes + round8(uint64(len(key))) + max(2*pair, round8(uint64(len(value))))
	if at.slot == nil {
		if err := h.widen(ctx); err != nil { // it may move records: before there is room
			return err
		}
	}
	off, err := h.room(ctx, size)
	if err != nil {
		return err
	}
	if at, err = h.locate(hash, key); err != nil { // it may have been moved, or evicted
		return err
	}
	r := view[record](h.m, off)
	r.hash, r.key, r.pair, r.size = hash, uint16(len(key)), uint16(pair/8), uint32(size/8)
	*plain(&r.state) = stateOf(uint64(len(value)), 0, expiry)
	copy(h.m.mem[off+recordBytes:], key)
	copy(h.m.mem[off+recordBytes+round8(uint64(len(key))):], value)
	crashpoint.Here("dict.written")
	return h.name(at, hash, off, size)
}

// name makes a record that is complete the one of its key, in place of the one at the seat, if
// there is one.
//
// What a death leaves behind: before the slot is stored, a record that nothing names. After it, a
// version that may be behind, a count and a sum that are, and perhaps a page of one record that is
// garbage: mend sees to all.
func (h hold) name(at seat, hash, off, size uint64) error {
	old := content{}
	if at.slot != nil {
		var err error
		if old, err = h.m.content(at.off); err != nil {
			return err
		}
	}
	h.after = h.live + size - old.size
	h.subject = off | 1
	crashpoint.Here("dict.subject")
	if err := h.append(off, size); err != nil {
		return err
	}
	if at.slot == nil {
		if err := h.insert(hash, slotWord(off, hash)); err != nil {
			return err
		}
		h.committed()
		return nil
	}
	storeRelease(at.slot, slotWord(off, hash)) // with this the key has the new value
	crashpoint.Here("dict.replaced")
	at.bucket.advance()
	h.committed()
	return h.discard(at.off, old.size)
}

// advance changes the version of a bucket.
//
// SYNC: version: it changes after a slot or a place was given up, and before the next change can
// use that memory. Without it a reader takes what it copied from there for the value.
func (b *bucket) advance() {
	storeRelease32(&b.version, b.version.Load()+1)
	cpu.StoreFence()
	crashpoint.Here("dict.version")
}

// committed ends a change of the sum of live bytes.
func (h hold) committed() {
	h.live = h.after
	crashpoint.Here("dict.live")
	h.subject = 0
	crashpoint.Here("dict.settled")
}

// pairs of places are kept for values of up to maxPair bytes.
const (
	maxPair   = 4096
	firstPair = 64 // values of fixed size up to this have two places from the start
)

// pairFor is the size of each of two places for a value of n bytes; 0: it gets a single one.
func (m *Map) pairFor(n uint64, replaces bool) uint64 {
	switch {
	case n == 0 || n > maxPair:
		return 0
	case n == 8 && m.valueBytes == 8 && m.ttl == 0 && !replaces: // one store replaces it
		return 0
	case replaces || m.valueBytes > 0 && m.valueBytes <= firstPair:
		return round8(n)
	}
	return 0
}

// inPlace replaces a value where it is, if there is room for that, and reports whether there was.
//
// What a death leaves behind: the old value; or the new one and a version that is behind.
func (h hold) inPlace(at seat, old content, value []byte, expiry uint64) bool {
	r := view[record](h.m, at.off)
	n := uint64(len(value))
	switch {
	case n == 8 && old.pair == 0 && old.length == 8 && expiry == old.expiry:
		word := view[wordCell](h.m, old.value)
		// with this the key has the new value
		storeRelease(&word.Uint64, binary.NativeEndian.Uint64(value))
		crashpoint.Here("dict.word")
		return true
	case old.pair != 0 && n <= old.pair:
		place := 1 - placeOf(old.state)
		to := at.off + recordBytes + round8(old.key) + place*old.pair
		copy(h.m.mem[to:to+old.pair], value)
		crashpoint.Here("dict.filled")
		storeRelease(&r.state, stateOf(n, place, expiry)) // with this the key has the new value
		crashpoint.Here("dict.flipped")
		at.bucket.advance() // before the next change fills the other place
		return true
	}
	return false
}
