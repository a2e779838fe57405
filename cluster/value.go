package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shmkit/shmkit/internal/codec"
)

// A Value is a value of type T that all programs of a queue share, by its name. It is kept by the
// server, and is as durable as that is. It travels as an argument of a task does, as CBOR, and has
// at most 1 MiB. It may be used by any number of goroutines.
//
// Load and Update are linearizable for one value: each sees what was stored before it began, by
// whatever program. There is nothing that joins two values.
type Value[T any] struct {
	b    *bucket
	name string
}

// NewValue finds the value of that name, or makes it. What was never stored is the zero value.
//
// Errors: a bad name; a T that would arrive changed; a server that cannot be reached before ctx
// ends.
func NewValue[T any](ctx context.Context, c *Cluster, name string) (*Value[T], error) {
	if err := checkName("value", name); err != nil {
		return nil, err
	}
	if err := codec.Check[T](); err != nil {
		return nil, fmt.Errorf("cluster: value %q: %w", name, err)
	}
	b, err := openBucket(ctx, c, "values", func(*jetstream.StreamConfig) {})
	if err != nil {
		return nil, err
	}
	return &Value[T]{b, name}, nil
}

// Load returns the value. It waits for a server until ctx ends.
//
// Errors: the cause of the end of ctx; a stored value of another type.
func (v *Value[T]) Load(ctx context.Context) (value T, err error) {
	value, _, err = v.load(ctx)
	return value, err
}

func (v *Value[T]) load(ctx context.Context) (value T, revision uint64, err error) {
	err = v.b.insist(ctx, func(ctx context.Context) error {
		m, err := v.b.get(ctx, v.name)
		if err != nil || m == nil {
			return err
		}
		revision = m.Sequence
		return codec.Decode(m.Data, &value)
	})
	if err != nil {
		return value, 0, fmt.Errorf("cluster: value %q: load: %w", v.name, err)
	}
	return value, revision, nil
}

// Store stores a value. It waits for a server until ctx ends. After an error the value may have
// been stored all the same.
//
// Errors: [ErrTooLarge]; what cannot travel; the cause of the end of ctx.
func (v *Value[T]) Store(ctx context.Context, value T) error {
	data, err := v.encode(value)
	if err != nil {
		return err
	}
	err = v.b.insist(ctx, func(ctx context.Context) error {
		_, _, err := v.b.put(ctx, v.name, data, nil, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("cluster: value %q: store: %w", v.name, err)
	}
	return nil
}

// Update replaces the value by what f makes of it. f is called again when another program has
// stored a value meanwhile, and so must have no effect of its own. An error of f ends Update, and
// nothing is stored. After the loss of an answer of the server Update cannot tell whether the value
// was stored; it looks, and calls f again with what it finds.
//
// Errors: that of f; those of [Value.Load] and [Value.Store].
func (v *Value[T]) Update(ctx context.Context, f func(T) (T, error)) (value T, err error) {
	for {
		old, revision, err := v.load(ctx)
		if err != nil {
			return value, err
		}
		if value, err = f(old); err != nil {
			return value, err
		}
		data, err := v.encode(value)
		if err != nil {
			return value, err
		}
		_, _, err = v.b.put(ctx, v.name, data, &revision, nil)
		if err == nil {
			return value, nil
		}
		if ctx.Err() != nil || !errors.Is(err, errChanged) && !passes(err) {
			return value, fmt.Errorf("cluster: value %q: update: %w", v.name, err)
		}
	}
}

func (v *Value[T]) encode(value T) ([]byte, error) {
	data, err := codec.Encode(value)
	if err != nil {
		return nil, fmt.Errorf("cluster: value %q: %w", v.name, err)
	}
	if len(data) > maxPayload-4096 {
		return nil, fmt.Errorf("cluster: value %q: %d bytes: %w", v.name, len(data), ErrTooLarge)
	}
	return data, nil
}
