package shm

import (
	"context"
	"time"

	"github.com/shmkit/shmkit/internal/dict"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Dict is a map in shared memory: any number of processes read, set and delete keys at once, and
// any of them may be killed at any instruction. A reader takes no lock. A change of a key happens
// as a whole or not at all, and what a process that is killed leaves is mended by the next writer.
//
// K is a string; or a type of fixed size, as for [Value], without floats and complex numbers, which
// differ from their bytes, and without padding. A key has at most 65,535 bytes. V is a string, a
// []byte, a type of fixed size, or any other that can be encoded as CBOR (RFC 8949), as in a
// queue.Objects. A key and its value have at most 1 GiB together, or a quarter of what
// [DictOptions.MaxBytes] leaves to each lock.
//
// Writers of different keys seldom wait for each other: up to 1024 locks share the keys. A process
// that is stopped while it writes holds up the writers of its share until it goes on, and no
// reader.
//
// Not offered are views of values in shared memory, which other processes replace; changes of
// several keys at once; and an order of the keys. For one value use a [Value] or a Var, for values
// with numbers from 0 on an [Array] or a List. The objects of a [Segment] have names by themselves.
//
// Goroutines and processes may use a Dict at once. It must not be copied. A change synchronizes
// before each Get that sees it, in any process.
type Dict[K comparable, V any] struct {
	object
	m      *dict.Map
	words  bool // keys and values are words
	keys   form[K]
	values form[V]
}

// DictOptions say how a Dict is made. The zero value gives one without bounds. They do not matter
// when a Dict that exists is opened.
type DictOptions struct {
	// Capacity is how many keys are expected; 0 means 1024. It determines the number of locks, and
	// the memory that is set aside before there are keys. A Dict grows beyond it.
	Capacity int

	// MaxBytes bounds the memory of keys, values and their bookkeeping, in bytes; at least 64 KiB.
	// When it is reached, the memory of replaced and deleted ones is used again, and where that is
	// little, keys that were not read for longest give way, approximately: Set does not fail for
	// lack of space. 0 means no bound but that of the segment, and then Set fails with
	// a [*NoSpaceError].
	MaxBytes int64

	// TTL is how long a key lives after it was set; 0 means for ever. Expiry is up to 64 ms late.
	// It is measured by the machine's monotonic clock, which stands still while the machine sleeps,
	// and does not outlast a boot.
	TTL time.Duration
}

// NewDict finds the Dict of that name, or makes it, empty.
//
// Errors: those of [NewValue]; an [*UnsupportedTypeError] that says what of K or V cannot be
// shared; [fs.ErrInvalid] for impossible options.
func NewDict[K comparable, V any](seg *Segment, name string, o DictOptions) (*Dict[K, V], error) {
	d, err := dictOf[K, V]()
	if err != nil {
		return nil, err
	}
	switch {
	case o.Capacity < 0 || o.TTL < 0:
		return nil, invalid("dict %q: Capacity %d, TTL %v: must not be negative", name, o.Capacity, o.TTL)
	case o.MaxBytes != 0 && o.MaxBytes < dict.MinBytes:
		return nil, invalid("dict %q: MaxBytes %d: must be 0, or at least %d", name, o.MaxBytes, dict.MinBytes)
	}
	spec := dict.Spec(name, d.format(), dict.Options{
		KeyBytes: d.keys.size, ValueBytes: d.values.size, Capacity: o.Capacity, MaxBytes: o.MaxBytes, TTL: o.TTL,
	})
	return checked(d, findAnySize(d, seg, spec))
}

// OpenDict finds the Dict of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenDict[K comparable, V any](seg *Segment, name string) (*Dict[K, V], error) {
	d, err := dictOf[K, V]()
	if err != nil {
		return nil, err
	}
	return checked(d, d.openSpec(seg, name))
}

// UnmarshalBinary makes d a handle of the Dict that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenDict] and [Open].
func (d *Dict[K, V]) UnmarshalBinary(b []byte) error {
	made, err := dictOf[K, V]()
	if err != nil {
		return err
	}
	d.keys, d.values = made.keys, made.values
	return unmarshal(d, b, segment.KindDict, d.format())
}

// dictOf is a Dict without an object.
func dictOf[K comparable, V any]() (*Dict[K, V], error) {
	keys, err := keyFormOf[K]()
	if err != nil {
		return nil, err
	}
	values, err := formOf[V]()
	if err != nil {
		return nil, err
	}
	return &Dict[K, V]{keys: keys, values: values}, nil
}

func (d *Dict[K, V]) format() string { return elem.ContainerFormat(d.keys.format, d.values.format) }

func (d *Dict[K, V]) openSpec(seg *Segment, name string) error {
	return open(d, seg, segment.Spec{Name: name, Kind: segment.KindDict, Type: d.format(), Size: segment.AnySize})
}

func (d *Dict[K, V]) bind(o *segment.Object) error {
	m, err := dict.Of(o)
	if err != nil {
		return err
	}
	if !m.Fits(d.keys.size, d.values.size) {
		return damaged(o)
	}
	d.o, d.m, d.words = o, m, m.Words()
	return nil
}

// Get returns the value of the key, and whether there is one: one that the key had at some instant
// during the call. It takes no lock, and never waits for a writer that was stopped or killed.
//
// Errors: [ErrClosed], [ErrCorrupt], what the codec says of bytes that are no V.
func (d *Dict[K, V]) Get(key K) (value V, ok bool, err error) {
	switch {
	case d.words:
		w, ok, err := d.m.GetWord(wordIn(&key))
		if setWord(&value, w); ok && d.values.bools == nil {
			return value, true, nil
		}
		return d.checked(value, ok, err)
	case d.values.kind == formFixed:
		// into the result itself: a copy of what was just copied waits for that
		b, ok, err := d.m.Get(bytesAt(&value, formFixed)[:0], bytesAt(&key, d.keys.kind))
		if ok && len(b) == d.values.size && d.values.bools == nil {
			return value, true, nil
		}
		if ok && len(b) != d.values.size {
			err = errLength
		}
		return d.checked(value, ok, err)
	}
	return d.getDecoded(key)
}

// getDecoded is Get of values that have no fixed size.
func (d *Dict[K, V]) getDecoded(key K) (value V, ok bool, err error) {
	b, ok, err := d.m.Get(nil, bytesAt(&key, d.keys.kind))
	if ok && err == nil {
		value, err = d.values.decode(b)
	}
	if err != nil {
		return d.none(err)
	}
	return value, ok, nil
}

// checked is a value of fixed size that was read, if there was one.
func (d *Dict[K, V]) checked(value V, ok bool, err error) (V, bool, error) {
	if !ok || err != nil {
		return d.none(err)
	}
	if d.values.bools != nil {
		value = elem.Mended(d.values.bools, value)
	}
	return value, true, nil
}

// none is no value, with the reason in err if that is not nil.
func (d *Dict[K, V]) none(err error) (V, bool, error) {
	if err != nil {
		err = d.failed(err)
	}
	return *new(V), false, err
}

// AppendGet appends the value of the key to dst, and reports whether there is one. It allocates
// only when dst is too short.
//
// Errors: [ErrClosed], [ErrCorrupt]; dst is returned as it was.
func AppendGet[K comparable, V ~string | ~[]byte](d *Dict[K, V], dst []byte, key K) ([]byte, bool, error) {
	b, ok, err := d.m.Get(dst, bytesAt(&key, d.keys.kind))
	if err != nil {
		return dst, false, d.failed(err)
	}
	return b, ok, nil
}

// Set makes value the value of the key. It lives as long as [DictOptions.TTL] says. It waits for
// other writers until ctx ends.
//
// Errors: a [*NoSpaceError], [fs.ErrInvalid] for a key or value that can never fit, [ErrClosed],
// [ErrCorrupt], the context's error, what the codec says of a value that it cannot encode. The key
// is as it was then.
func (d *Dict[K, V]) Set(ctx context.Context, key K, value V) error {
	return d.set(ctx, key, value, dict.DefaultLife)
}

// SetFor is Set of a value that lives for ttl, up to 64 ms longer, whatever [DictOptions.TTL] says;
// 0 means for ever.
//
// Errors: those of Set; [fs.ErrInvalid] when ttl is negative, or when keys and values have at most
// 8 bytes each and the Dict was made with neither TTL nor MaxBytes: those have no expiry.
func (d *Dict[K, V]) SetFor(ctx context.Context, key K, value V, ttl time.Duration) error {
	if ttl < 0 {
		return d.failed(segment.Invalid("a life of %v: must not be negative", ttl))
	}
	return d.set(ctx, key, value, dict.Ticks(ttl))
}

func (d *Dict[K, V]) set(ctx context.Context, key K, value V, life uint64) error {
	b := d.values.buffer()
	bytes, err := d.values.encode(&value, b)
	if err == nil {
		err = d.m.Set(ctx, bytesAt(&key, d.keys.kind), bytes, life)
	}
	d.values.done(b)
	if err != nil {
		return d.failed(err)
	}
	return nil
}

// Delete removes the key, and reports whether it was there. It waits for other writers until ctx
// ends.
//
// Errors: [ErrClosed], [ErrCorrupt], the context's error; the key is as it was then.
func (d *Dict[K, V]) Delete(ctx context.Context, key K) (was bool, err error) {
	was, err = d.m.Delete(ctx, bytesAt(&key, d.keys.kind))
	if err != nil {
		return false, d.failed(err)
	}
	return was, nil
}

// Len is how many keys there are, those that have expired and are still in memory included. It is a
// sum over the locks: other processes may be changing some of them.
func (d *Dict[K, V]) Len() int { return d.m.Len() }

// Clear removes all keys, those of one lock after those of another: not at one instant.
//
// Errors: [ErrClosed], [ErrCorrupt], the context's error; some keys may be gone then.
func (d *Dict[K, V]) Clear(ctx context.Context) error {
	if err := d.m.Clear(ctx); err != nil {
		return d.failed(err)
	}
	return nil
}

// DictStats are the counts of a Dict, of all processes since it was made.
type DictStats struct {
	Keys  int   // as Len
	Bytes int64 // of memory for keys, values and their bookkeeping
	// of Bytes, those of keys and values that are there; the rest is free or waits to be used again
	Live     int64
	Evicted  int64 // keys that gave way because of MaxBytes
	Expired  int64 // keys that were removed because their time was over
	Moved    int64 // keys and values that were moved so that memory could be used again
	Repaired int64 // deaths of writers that were mended
}

// Stats returns the counts, which other processes may be changing.
func (d *Dict[K, V]) Stats() DictStats { return DictStats(d.m.Stats()) }
