package shm

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/cell"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Var is one value of any length in shared memory, for what is written seldom and read always: a
// configuration, a table of routes, the description of a model. A Load of a value that has not
// changed costs a few nanoseconds, and processes can wait for the next value.
//
// T is a string, a []byte, a type of fixed size as for [Value], or any other that can be encoded as
// CBOR (RFC 8949), as in a queue.Objects. A value of fixed size that changes often belongs into a
// [Value], several of them by name into a [Dict].
//
// Goroutines and processes may use a Var at once. It must not be copied. A process that is killed
// in a Store leaves the old value or the new one. A Store synchronizes before each Load that sees
// its value, in any process.
type Var[T any] struct {
	object
	c      *cell.Cell
	form   form[T]
	cached atomic.Pointer[decoded[T]]
}

// A Revision numbers the values of a Var: 1 is the first one, and each Store makes the next.
type Revision uint64

// decoded is the value of a revision, as this process has read it last.
type decoded[T any] struct {
	value    T
	revision uint64 // of the cell, which begins with 0
}

// NewVar finds the Var of that name, or makes it with the initial value.
//
// Errors: those of [NewValue]; what the codec says of a value that it cannot encode.
func NewVar[T any](seg *Segment, name string, initial T) (*Var[T], error) {
	f, err := formOf[T]()
	if err != nil {
		return nil, err
	}
	b := f.buffer()
	defer f.done(b)
	bytes, err := f.encode(&initial, b)
	if err != nil {
		return nil, invalid("var %q: %v", name, err)
	}
	v := &Var[T]{form: f}
	spec := cell.Spec(name, f.format, bytes)
	return checked(v, findAnySize(v, seg, spec))
}

// OpenVar finds the Var of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenVar[T any](seg *Segment, name string) (*Var[T], error) {
	f, err := formOf[T]()
	if err != nil {
		return nil, err
	}
	v := &Var[T]{form: f}
	return checked(v, open(v, seg, segment.Spec{Name: name, Kind: segment.KindVar, Type: f.format, Size: segment.AnySize}))
}

// UnmarshalBinary makes v a handle of the Var that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenVar] and [Open].
func (v *Var[T]) UnmarshalBinary(b []byte) error {
	f, err := formOf[T]()
	if err != nil {
		return err
	}
	v.form = f
	return unmarshal(v, b, segment.KindVar, f.format)
}

func (v *Var[T]) bind(o *segment.Object) error {
	c, err := cell.Of(o)
	if err != nil {
		return err
	}
	v.o, v.c = o, c
	v.cached.Store(nil)
	return nil
}

// Load returns the value. All callers of a process get the same copy as long as the value does not
// change: what a T leads to, such as the elements of a slice, must not be written. It never waits
// for a writer that was stopped or killed.
//
// Errors: [ErrClosed], [ErrCorrupt], what the codec says of bytes that are no T.
func (v *Var[T]) Load() (T, error) {
	d := v.cached.Load()
	if d == nil || !v.c.Current(d.revision) {
		var err error
		if d, err = v.load(); err != nil {
			return *new(T), err
		}
	}
	return d.value, nil
}

// load is Load, and returns the revision, too.
func (v *Var[T]) load() (*decoded[T], error) {
	if d := v.cached.Load(); d != nil && v.c.Current(d.revision) {
		return d, nil
	}
	raw, revision, err := v.c.Read(nil)
	if err != nil {
		return nil, v.failed(err)
	}
	value, err := v.form.decode(raw)
	if err != nil {
		return nil, v.failed(err)
	}
	d := &decoded[T]{value, revision}
	v.cached.Store(d)
	return d, nil
}

// Store sets the value. It waits for other writers until ctx ends.
//
// Errors: a [*NoSpaceError], [fs.ErrInvalid] for a value of more than 1 GiB, [ErrClosed],
// [ErrCorrupt], the context's error, what the codec says of a value that it cannot encode. The
// value is as it was then.
func (v *Var[T]) Store(ctx context.Context, value T) error {
	_, err := v.storeAfter(ctx, cell.Any, value)
	return err
}

func (v *Var[T]) storeAfter(ctx context.Context, revision uint64, value T) (stored bool, err error) {
	b := v.form.buffer()
	defer v.form.done(b)
	bytes, err := v.form.encode(&value, b)
	if err == nil {
		stored, err = v.c.StoreAfter(ctx, revision, bytes)
	}
	if err != nil {
		return false, v.failed(err)
	}
	return stored, nil
}

// Update makes what f returns the value. F gets the present value, which it must not change, runs
// without a lock, and runs again when the value has changed meanwhile: it should do nothing else.
//
// Errors: that of f, those of Store and Load; the value is as it was then.
func (v *Var[T]) Update(ctx context.Context, f func(old T) (T, error)) error {
	for {
		d, err := v.load()
		if err != nil {
			return err
		}
		next, err := f(d.value)
		if err != nil {
			return err
		}
		if stored, err := v.storeAfter(ctx, d.revision, next); stored || err != nil {
			return err
		}
	}
}

// Wait returns the value and its revision as soon as that is later than after: at once for 0. It
// waits until ctx ends. Values between two that it returns are skipped.
//
// Errors: those of Load, the context's error.
func (v *Var[T]) Wait(ctx context.Context, after Revision) (T, Revision, error) {
	for v.c.Revision() < uint64(after) {
		if err := v.c.Wait(ctx, v.c.Revision()); err != nil {
			return *new(T), 0, v.failed(fmt.Errorf("wait for a change: %w", err))
		}
	}
	d, err := v.load()
	if err != nil {
		return *new(T), 0, err
	}
	return d.value, Revision(d.revision) + 1, nil
}

// Changes iterates over the present value and each later one, until ctx ends, whose error is the
// last thing that it yields. Values that follow each other fast may be skipped.
func (v *Var[T]) Changes(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := Revision(0); ; {
			value, revision, err := v.Wait(ctx, after)
			if !yield(value, err) || err != nil {
				return
			}
			after = revision
		}
	}
}
