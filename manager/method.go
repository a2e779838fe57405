package manager

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/message"
)

// A Call is a method of the objects of a manager that clients can call. It is made by [Method],
// [Maker] or [Yields], and is safe for any number of goroutines.
type Call[T, A, R any] struct {
	m    *methodInfo
	args message.Codec[A]
	rets message.Codec[R]
	made func(*held) R // of a Maker: makes the Ref
}

// methodInfo is a method without its types.
type methodInfo struct {
	t      *typeInfo
	name   string // with that of the type
	form   string // of argument and result
	number int    // in this process
	raw    bool   // the argument is copied as it is
	yields bool
	run    func(ctx context.Context, object any, arg []byte, c *serverCall) error
	speed  speed
}

// define registers a method.
func define(what string, m *methodInfo) *methodInfo {
	registry.Lock()
	defer registry.Unlock()
	if registry.methods[m.name] != nil {
		panic(fmt.Sprintf("manager.%s: %q is defined already", what, m.name))
	}
	m.number = len(registry.order)
	registry.methods[m.name] = m
	registry.order = append(registry.order, m)
	order := registry.order
	registry.numbers.Store(&order)
	return m
}

// methodOf is the method of that number in this process, or nil.
func methodOf(number uint16) *methodInfo {
	order := registry.numbers.Load()
	if order == nil || int(number) >= len(*order) {
		return nil
	}
	return (*order)[number]
}

// codecs chooses how the values of a method travel.
func codecs[A, R any](what, name string) (args message.Codec[A], rets message.Codec[R]) {
	args, err := message.For[A]()
	if err != nil {
		panic(fmt.Sprintf("manager.%s: method %q: argument: %v", what, name, err))
	}
	if rets, err = message.For[R](); err != nil {
		panic(fmt.Sprintf("manager.%s: method %q: result: %v", what, name, err))
	}
	return args, rets
}

// An argError says that an argument could not be decoded.
type argError struct{ err error }

func (e *argError) Error() string { return "decode the argument: " + e.err.Error() }
func (e *argError) Unwrap() error { return e.err }

// Method lets clients call f, which is a method expression such as (*index).Insert, or any function
// of that form. What is not declared cannot be called.
//
// The context of f ends with that of the caller, with the connection of the caller, and with the
// manager. f runs in a goroutine; calls of one object run at the same time, unless its type is
// [Exclusive].
//
// It panics when the name is taken, or when an A or R would arrive changed.
func Method[T, A, R any](t Object[T], name string, f func(T, context.Context, A) (R, error)) *Call[T, A, R] {
	args, rets := codecs[A, R]("Method", name)
	info := t.object(*new(T))
	m := &methodInfo{t: info, name: info.name + "." + name, form: args.Signature() + " → " + rets.Signature(), raw: !args.IsWire()}
	m.run = func(ctx context.Context, object any, arg []byte, c *serverCall) error {
		r, err := invoke(ctx, f, object, args, arg)
		if err != nil {
			return err
		}
		b, err := rets.Encode(&r)
		return c.result(b, err)
	}
	return &Call[T, A, R]{m: define("Method", m), args: args, rets: rets}
}

// invoke decodes the argument and calls the method.
func invoke[T, A, R any](ctx context.Context, f func(T, context.Context, A) (R, error), object any, args message.Codec[A], arg []byte) (r R, err error) {
	a, err := args.Decode(arg)
	if err != nil {
		return r, &argError{err}
	}
	return f(object.(T), ctx, a)
}

// Maker is [Method] for a method with a result that stays in the manager: the caller gets a
// reference to it. of is the type of the result.
func Maker[T, A, N any](t Object[T], name string, f func(T, context.Context, A) (N, error), of Object[N]) *Call[T, A, *Ref[N]] {
	args, err := message.For[A]()
	if err != nil {
		panic(fmt.Sprintf("manager.Maker: method %q: argument: %v", name, err))
	}
	info, made := t.object(*new(T)), of.object(*new(N))
	m := &methodInfo{t: info, name: info.name + "." + name, form: args.Signature() + " → " + made.name, raw: !args.IsWire()}
	m.run = func(ctx context.Context, object any, arg []byte, c *serverCall) error {
		r, err := invoke(ctx, f, object, args, arg)
		if err != nil {
			return err
		}
		c.made(made, r)
		return nil
	}
	return &Call[T, A, *Ref[N]]{m: define("Maker", m), args: args, made: newRef[N]}
}

// Yields is [Method] for a method with a result that is an iterator. The caller gets its values by
// [Call.Each], while the method goes on. It waits while the caller is slow.
func Yields[T, A, R any](t Object[T], name string, f func(T, context.Context, A) iter.Seq2[R, error]) *Call[T, A, R] {
	args, rets := codecs[A, R]("Yields", name)
	info := t.object(*new(T))
	m := &methodInfo{t: info, name: info.name + "." + name, form: args.Signature() + " → each " + rets.Signature(), yields: true}
	m.run = func(ctx context.Context, object any, arg []byte, c *serverCall) error {
		a, err := args.Decode(arg)
		if err != nil {
			return &argError{err}
		}
		for r, err := range f(object.(T), ctx, a) {
			if err != nil {
				return err
			}
			b, err := rets.Encode(&r)
			if err := c.item(ctx, b, err); err != nil {
				return err
			}
		}
		return c.result(nil, nil)
	}
	return &Call[T, A, R]{m: define("Yields", m), args: args, rets: rets}
}

// quick is how long a method may take that runs on the goroutine which reads the connection.
const quick = 10 * time.Microsecond

// sampleEvery is after how many quick calls the time of one is taken again.
const sampleEvery = 32

// A speed is how long a method takes: a peak that decays.
type speed struct {
	nanoseconds atomic.Int64 // 0: not known
	calls       atomic.Uint32
}

// isQuick reports whether the method has been quick lately, and whether to measure this call.
func (s *speed) isQuick() (is, measure bool) {
	n := s.nanoseconds.Load()
	is = n > 0 && n < int64(quick)
	return is, !is || s.calls.Add(1)%sampleEvery == 0
}

// add notes that a call took so long.
func (s *speed) add(d time.Duration) {
	took, known := max(int64(d), 1), s.nanoseconds.Load()
	if took < known {
		took = known - (known-took)/8 - 1
	}
	s.nanoseconds.Store(max(took, 1))
}

// block notes that a call has held up the reader.
func (s *speed) block() { s.nanoseconds.Store(1000 * int64(quick)) }
