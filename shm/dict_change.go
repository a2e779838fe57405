package shm

import (
	"bytes"
	"context"

	"github.com/shmkit/shmkit/internal/dict"
)

// Swap sets the value of the key as Set does, and returns the value that it replaces, if there was
// one.
//
// Errors: those of Set, and of Get.
func (d *Dict[K, V]) Swap(ctx context.Context, key K, value V) (old V, was bool, err error) {
	b := d.values.buffer()
	defer d.values.done(b)
	next, err := d.values.encode(&value, b)
	if err != nil {
		return old, false, d.failed(err)
	}
	var raw []byte
	err = d.m.Change(ctx, bytesAt(&key, d.keys.kind), dict.DefaultLife, func(o []byte, ok bool) ([]byte, dict.Verdict) {
		raw, was = bytes.Clone(o), ok
		return next, dict.Put
	})
	return d.old(raw, was, err)
}

// Take removes the key, and returns the value that it had, if there was one.
//
// Errors: those of Delete, and of Get.
func (d *Dict[K, V]) Take(ctx context.Context, key K) (value V, ok bool, err error) {
	var raw []byte
	err = d.m.Change(ctx, bytesAt(&key, d.keys.kind), 0, func(o []byte, was bool) ([]byte, dict.Verdict) {
		raw, ok = bytes.Clone(o), was
		return nil, dict.Drop
	})
	return d.old(raw, ok, err)
}

// old is the value that a change has found.
func (d *Dict[K, V]) old(raw []byte, was bool, err error) (value V, ok bool, _ error) {
	if err == nil && was {
		value, err = d.values.decode(raw)
	}
	if err != nil {
		return *new(V), false, d.failed(err)
	}
	return value, was, nil
}

// GetOrSet returns the value of the key, if there is one, and else sets it and returns value.
//
// Errors: those of Set, and of Get.
func (d *Dict[K, V]) GetOrSet(ctx context.Context, key K, value V) (actual V, was bool, err error) {
	if actual, was, err = d.Get(key); was || err != nil {
		return actual, was, err
	}
	b := d.values.buffer()
	defer d.values.done(b)
	next, err := d.values.encode(&value, b)
	if err != nil {
		return actual, false, d.failed(err)
	}
	var raw []byte
	err = d.m.Change(ctx, bytesAt(&key, d.keys.kind), dict.DefaultLife, func(o []byte, ok bool) ([]byte, dict.Verdict) {
		if ok {
			raw, was = bytes.Clone(o), true
			return nil, dict.Keep
		}
		return next, dict.Put
	})
	actual, was, err = d.old(raw, was, err)
	if err == nil && !was {
		actual = value
	}
	return actual, was, err
}

// Update makes what f returns the value of the key; f gets the value that it has, and whether there
// is one. F runs without a lock, and again when the value has changed meanwhile: it should do
// nothing else. It may use the Dict. A key that is there keeps its time of expiry.
//
// Errors: that of f, those of Set and Get; the key is as it was then.
func (d *Dict[K, V]) Update(ctx context.Context, key K, f func(old V, ok bool) (V, error)) (V, error) {
	for {
		value, _, done, err := d.replace(ctx, key, func(old V, ok bool) (V, bool, error) {
			next, err := f(old, ok)
			return next, true, err
		})
		if done || err != nil {
			return value, err
		}
	}
}

// CompareAndSwap sets the value of the key to next if it is there and equals old, and reports
// whether it did. The key keeps its time of expiry.
//
// Errors: those of Set, and of Get.
func CompareAndSwap[K, V comparable](ctx context.Context, d *Dict[K, V], key K, old, next V) (swapped bool, err error) {
	for {
		_, tried, done, err := d.replace(ctx, key, func(v V, ok bool) (V, bool, error) { return next, ok && v == old, nil })
		if done || !tried || err != nil {
			return done, err
		}
	}
}

// replace makes what f returns the value of the key, if f wants that, and reports whether it tried
// to, and whether it has: not if the value has changed since f got it.
func (d *Dict[K, V]) replace(ctx context.Context, key K, f func(V, bool) (V, bool, error)) (value V, tried, done bool, err error) {
	k := bytesAt(&key, d.keys.kind)
	raw, was, err := d.m.Get(nil, k)
	old, _, err := d.old(bytes.Clone(raw), was, err)
	if err != nil {
		return old, false, false, err
	}
	value, tried, err = f(old, was)
	if err != nil || !tried {
		return *new(V), false, false, err
	}
	b := d.values.buffer()
	defer d.values.done(b)
	next, err := d.values.encode(&value, b)
	if err != nil {
		return *new(V), true, false, d.failed(err)
	}
	err = d.m.Change(ctx, k, dict.KeepLife, func(o []byte, ok bool) ([]byte, dict.Verdict) {
		if ok != was || !bytes.Equal(o, raw) {
			return nil, dict.Keep
		}
		done = true
		return next, dict.Put
	})
	if err != nil {
		return *new(V), true, false, d.failed(err)
	}
	return value, true, done, nil
}

// Add adds delta to the number that is the value of the key, and returns the sum, which wraps
// around. One that is not there is 0. A key that is there keeps its time of expiry.
//
// Errors: those of Set.
func Add[K comparable, V ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64](
	ctx context.Context, d *Dict[K, V], key K, delta V,
) (sum V, err error) {
	w, err := d.m.Add(ctx, bytesAt(&key, d.keys.kind), uint64(delta), d.values.size)
	if err != nil {
		return 0, d.failed(err)
	}
	return V(w), nil
}

// Do returns the value of the key. When it is not there, one of all callers in all processes runs
// fill, without a lock, and sets the value that it returns. The others wait for it, for the end of
// ctx, or for the end of that process, after which the next one of them fills.
//
// A Set or a Delete of the key meanwhile wins: what fill returns then goes to its caller only, so
// that no value comes back that was invalidated. An error of fill goes to its caller, and the next
// waiter fills. A panic or [runtime.Goexit] in fill ends its turn likewise. Fill gets a context
// that marks its turn: a Do of the same key under that context is an error, for it would wait for
// itself.
//
// Errors: that of fill, those of Set and Get; [fs.ErrInvalid] when fill asks for its own key.
func (d *Dict[K, V]) Do(ctx context.Context, key K, fill func(context.Context) (V, error)) (value V, err error) {
	if value, ok, err := d.Get(key); ok || err != nil {
		return value, err
	}
	filled, own := false, error(nil)
	b := d.values.buffer()
	defer d.values.done(b)
	raw, err := d.m.Do(ctx, nil, bytesAt(&key, d.keys.kind), func(ctx context.Context) ([]byte, error) {
		if value, own = fill(ctx); own != nil {
			return nil, own
		}
		filled = true
		return d.values.encode(&value, b)
	})
	switch {
	case own != nil:
		return *new(V), own
	case err == nil && !filled:
		value, err = d.values.decode(raw)
	}
	if err != nil {
		return *new(V), d.failed(err)
	}
	return value, nil
}
