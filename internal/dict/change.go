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
// is code of this module that ends soon: it must not use the Dict. The old value is in shared memory
// and valid until f returns. See [Map.Set] for life and for errors.
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
			return wake, h.removeWord(hash, key)
		}
		at, err := h.locate(hash, key) // also one that has expired
		if err == nil && at.slot != nil {
			err = h.remove(at)
		}
		if err == nil {
			err = h.tidy(ctx, tidyBytes)
		}
		return wake, err
	}
	return false, nil
}
