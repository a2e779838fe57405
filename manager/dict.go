package manager

import (
	"context"
	"iter"
	"maps"
	"sync"
)

// A DictType is a type of maps on the heap of a manager, with values of any type that travels. It
// is made by [DictOf]. For keys and values of fixed size, or to share one among processes of one
// machine at speed, take shm.Dict: it is hundreds of times as fast.
type DictType[K comparable, V any] struct {
	t      *Type[*dict[K, V], map[K]V]
	get    *Call[*dict[K, V], K, found[V]]
	set    *Call[*dict[K, V], entry[K, V], struct{}]
	delete *Call[*dict[K, V], K, bool]
	len    *Call[*dict[K, V], struct{}, int]
	copy   *Call[*dict[K, V], struct{}, map[K]V]
	all    *Call[*dict[K, V], struct{}, entry[K, V]]
}

type found[V any] struct {
	Value V
	There bool
}

type entry[K comparable, V any] struct {
	Key   K
	Value V
}

type dict[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

// DictOf makes the type of maps from K to V that managers keep. It panics when the name is taken,
// or when K or V cannot travel.
func DictOf[K comparable, V any](name string) *DictType[K, V] {
	t := Define(name, func(_ context.Context, first map[K]V) (*dict[K, V], error) {
		if first == nil {
			first = map[K]V{}
		}
		return &dict[K, V]{m: first}, nil
	})
	return &DictType[K, V]{
		t: t, get: Method(t, "get", (*dict[K, V]).get), set: Method(t, "set", (*dict[K, V]).set),
		delete: Method(t, "delete", (*dict[K, V]).delete), len: Method(t, "len", (*dict[K, V]).length),
		copy: Method(t, "copy", (*dict[K, V]).copied), all: Yields(t, "all", (*dict[K, V]).all),
	}
}

func (d *dict[K, V]) get(_ context.Context, k K) (f found[V], err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	f.Value, f.There = d.m[k]
	return f, nil
}

func (d *dict[K, V]) set(_ context.Context, e entry[K, V]) (struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.m[e.Key] = e.Value
	return struct{}{}, nil
}

func (d *dict[K, V]) delete(_ context.Context, k K) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, there := d.m[k]
	delete(d.m, k)
	return there, nil
}

func (d *dict[K, V]) length(context.Context, struct{}) (int, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.m), nil
}

func (d *dict[K, V]) copied(context.Context, struct{}) (map[K]V, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return maps.Clone(d.m), nil
}

func (d *dict[K, V]) all(ctx context.Context, _ struct{}) iter.Seq2[entry[K, V], error] {
	m, _ := d.copied(ctx, struct{}{})
	return func(yield func(entry[K, V], error) bool) {
		for k, v := range m {
			if !yield(entry[K, V]{k, v}, nil) {
				return
			}
		}
	}
}

// A Dict is a map in a manager, see [DictOf]. All clients with a reference share it. Its methods
// have the errors of [Call.Call].
type Dict[K comparable, V any] struct {
	// Ref is the reference, which travels in messages: the receiver makes a Dict of it by
	// [DictType.Of].
	Ref *Ref[*dict[K, V]]
	t   *DictType[K, V]
}

// Of makes a Dict of a reference that has come.
func (t *DictType[K, V]) Of(ref *Ref[*dict[K, V]]) *Dict[K, V] { return &Dict[K, V]{ref, t} }

// New makes a map with those entries.
func (t *DictType[K, V]) New(ctx context.Context, m *Manager, first map[K]V) (*Dict[K, V], error) {
	ref, err := t.t.New(ctx, m, first)
	return t.Of(ref), err
}

// Named is [Type.Named]: the map of that name.
func (t *DictType[K, V]) Named(ctx context.Context, m *Manager, name string, first map[K]V) (*Dict[K, V], error) {
	ref, err := t.t.Named(ctx, m, name, first)
	return t.Of(ref), err
}

// Get returns the value of a key, and whether there is one.
func (d *Dict[K, V]) Get(ctx context.Context, k K) (v V, ok bool, err error) {
	f, err := d.t.get.Call(ctx, d.Ref, k)
	return f.Value, f.There, err
}

// Set sets the value of a key.
func (d *Dict[K, V]) Set(ctx context.Context, k K, v V) error {
	_, err := d.t.set.Call(ctx, d.Ref, entry[K, V]{k, v})
	return err
}

// Delete removes a key, and reports whether it was there.
func (d *Dict[K, V]) Delete(ctx context.Context, k K) (bool, error) {
	return d.t.delete.Call(ctx, d.Ref, k)
}

// Len is the number of keys.
func (d *Dict[K, V]) Len(ctx context.Context) (int, error) {
	return d.t.len.Call(ctx, d.Ref, struct{}{})
}

// Copy returns all entries.
func (d *Dict[K, V]) Copy(ctx context.Context) (map[K]V, error) {
	return d.t.copy.Call(ctx, d.Ref, struct{}{})
}

// All yields the entries that are there when it begins, in any order. An error ends it early; it is
// what err points to afterwards.
func (d *Dict[K, V]) All(ctx context.Context, err *error) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for e, failed := range d.t.all.Each(ctx, d.Ref, struct{}{}) {
			if *err = failed; failed != nil || !yield(e.Key, e.Value) {
				return
			}
		}
	}
}

// Close gives the reference back.
func (d *Dict[K, V]) Close() error { return d.Ref.Close() }
