package dict

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Delete removes the key, and reports whether it was there.
//
// Errors: as those of [Map.Set].
func (m *Map) Delete(ctx context.Context, key []byte) (was bool, err error) {
	hash := m.hash(key)
	h, err := m.lock(ctx, m.stripeOf(hash))
	if err != nil {
		return false, err
	}
	wake := h.cancelClaim(hash)
	if m.words {
		was, err = h.removeWord(hash, key)
	} else {
		was, err = h.drop(ctx, hash, key)
	}
	h.unlock(&err)
	if wake {
		m.ringFillers(h.i)
	}
	return was && err == nil, err
}

// drop is Delete of the layout records, under the lock. A key that has expired was not there.
func (h hold) drop(ctx context.Context, hash uint64, key []byte) (was bool, err error) {
	at, err := h.locate(hash, key)
	if err != nil || at.slot == nil {
		return false, err
	}
	expiry := view[record](h.m, at.off).state.Load() >> expiryShift
	if err := h.remove(at); err != nil {
		return false, err
	}
	return expiry == 0 || !h.m.expired(h.stripe, expiry), h.tidy(ctx, tidyBytes)
}

// remove empties the slot at a seat, under the lock.
//
// What a death leaves behind: as in name; and counts of passed that are too high, which costs time
// and loses nothing.
func (h hold) remove(at seat) error {
	c, err := h.m.content(at.off)
	if err != nil {
		return err
	}
	hash := view[record](h.m, at.off).hash
	h.after = h.live - c.size
	h.subject = at.off | 2
	crashpoint.Here("dict.subject")
	storeRelease(at.slot, 0) // with this the key is gone
	crashpoint.Here("dict.deleted")
	h.count.Store(h.count.Load() - 1)
	if t, ok := h.m.table(h.table.Load()); ok {
		// afterwards: never less than what is true
		for i, n := h.m.index(hash, t.log), at.probes; n > 0; n-- {
			b := view[bucket](h.m, t.base+i*bucketBytes)
			b.passed.Store(b.passed.Load() - 1)
			i = (i + 1) & (1<<t.log - 1)
		}
	}
	crashpoint.Here("dict.unpassed")
	at.bucket.advance()
	h.committed()
	return h.discard(at.off, c.size)
}
