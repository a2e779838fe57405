package dict

import (
	"context"
)

// A Verdict is what a function of Change decides.
type Verdict uint8

// What becomes of the key.
const (
	Keep Verdict = iota // it stays as it is
	Put                 // it gets the new value
	Drop                // it goes
)

// Change runs f with the value of the key, under the lock of its stripe, and does what f decides. F
// is code of this module that ends soon: it must not use the Dict. The old value is in shared
// memory and valid until f returns. See [Map.Set] for life and for errors.
func (m *Map) Change(ctx context.Context, key []byte, life uint64, f func(old []byte, ok bool) (value []byte, do Verdict)) (err error) {
	if err := m.check(key, nil, life); err != nil {
		return err
	}
	hash := m.hash(key)
	h, err := m.lock(ctx, m.stripeOf(hash))
	if err != nil {
		return err
	}
	wake, err := h.change(ctx, hash, key, life, f)
	h.unlock(&err)
	if wake {
		m.ringFillers(h.i)
	}
	return err
}

func (h hold) change(ctx context.Context, hash uint64, key []byte, life uint64, f func([]byte, bool) ([]byte, Verdict)) (wake bool, err error) {
	old, ok, err := h.value(hash, key)
	if err != nil {
		return false, err
	}
	value, do := f(old, ok)
	switch do {
	case Put:
		if err := h.m.check(key, value, life); err != nil {
			return false, err
		}
		wake = h.cancelClaim(hash)
		if h.m.words {
			return wake, h.setWord(ctx, hash, key, value)
		}
		return wake, h.set(ctx, hash, key, value, life)
	case Drop:
		wake = h.cancelClaim(hash)
		if h.m.words {
			_, err = h.removeWord(hash, key)
		} else {
			_, err = h.drop(ctx, hash, key)
		}
		return wake, err
	}
	return false, nil
}

// Add adds delta to the value of the key, a little-endian number of n bytes, up to 8, and returns
// the sum. A key that is not there counts as 0.
//
// Errors: as those of [Map.Set].
func (m *Map) Add(ctx context.Context, key []byte, delta uint64, n int) (sum uint64, err error) {
	if err := m.check(key, nil, KeepLife); err != nil {
		return 0, err
	}
	hash := m.hash(key)
	h, err := m.lock(ctx, m.stripeOf(hash))
	if err != nil {
		return 0, err
	}
	wake := h.cancelClaim(hash)
	sum, err = h.add(ctx, hash, key, delta, n)
	h.unlock(&err)
	if wake {
		m.ringFillers(h.i)
	}
	return sum, err
}

func (h hold) add(ctx context.Context, hash uint64, key []byte, delta uint64, n int) (sum uint64, err error) {
	var b [8]byte
	if h.m.words {
		at, err := h.locateWord(hash, key)
		if err != nil {
			return 0, err
		}
		if at.b != nil {
			delta += at.b.value[at.place].Load()
		}
		value := appendWord(b[:0], delta, n)
		return wordOf(value), h.setWord(ctx, hash, key, value)
	}
	old, ok, err := h.value(hash, key)
	if err != nil {
		return 0, err
	}
	if ok {
		delta += wordOf(old)
	}
	value := appendWord(b[:0], delta, n)
	return wordOf(value), h.set(ctx, hash, key, value, KeepLife)
}
