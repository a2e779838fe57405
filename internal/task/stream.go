package task

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"
)

// NewStream returns the task f, which yields values while it runs, without its types. Its result is
// empty: its values go the way of package yields.
func NewStream[A, R any](id uint64, name string, args Codec[A], rets Codec[R], f func(context.Context, A) iter.Seq2[R, error]) *Handler {
	holds := args.IsWire() && mayHoldHandles(reflect.TypeFor[A]())
	return &Handler{
		Name: name, ID: id, Yields: true,
		signature: sync.OnceValue(func() uint64 {
			return signatureOf(name, reflect.TypeFor[A](), reflect.TypeFor[iter.Seq2[R, error]]())
		}),
		Begin:  func([]byte) (func(context.Context) error, error) { return nil, errYields(name) },
		Encode: func(any) ([]byte, error) { return nil, errYields(name) },
		run: func(ctx context.Context, in []byte, out *Reply) error {
			w, in, err := out.To.Yields(in)
			if err != nil {
				return err
			}
			arg, err := args.view(in)
			if holds {
				s := newScope(reflect.ValueOf(&arg))
				defer s.end()
				ctx = context.WithValue(ctx, scopeKey{}, s)
			}
			if err != nil {
				return fmt.Errorf("decode the argument: %w", err)
			}
			fixed := rets.Fixed() > 0
			for r, err := range f(ctx, arg) {
				if err != nil {
					return &taskError{err}
				}
				b, err := rets.Encode(&r)
				if err != nil {
					return fmt.Errorf("encode a value that it yields: %w", err)
				}
				if err := w.Put(ctx, b, fixed); err != nil {
					return unyielded(ctx, err)
				}
			}
			return out.put(KindValue, nil)
		},
	}
}

// unyielded is the error of a task that could not yield a value because of err.
func unyielded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &taskError{err} // as that of a task that heeds its context
	}
	return fmt.Errorf("yield a value: %w", err)
}

func errYields(name string) error {
	return fmt.Errorf("task %q yields values: it runs by Stream: %w", name, errors.ErrUnsupported)
}

// Fixed is how many bytes each value has that is copied as it is, 0 where that is not so, or none.
func (c Codec[T]) Fixed() int {
	if c.Way != WayRaw {
		return 0
	}
	return c.Size
}
