package task

import (
	"context"
	"fmt"
	"hash/fnv"
	"reflect"
	"sync"
)

// A Handler is a task without its types. It reads in only until it returns.
type Handler struct {
	Name string
	ID   uint64
	run  func(ctx context.Context, in []byte, out *Reply) error
	// for a Process, which has no reply
	Begin func(in []byte) (run func(context.Context) error, err error)
	// the same; the argument is a pointer to one of the task's
	Encode func(arg any) ([]byte, error)

	Args    chunkForm
	vector  vectorRunner // nil: it runs the arguments of a chunk one by one
	retSize int          // bytes of a result that is copied as it is

	// its values go through a ring before its argument; it runs only where the caller's pool is
	Yields bool

	signature func() uint64
}

// taskError marks an error as the task function's own.
type taskError struct{ err error }

func (e *taskError) Error() string { return e.err.Error() }

var (
	handlersMu sync.RWMutex
	handlers   = map[uint64]*Handler{}
)

// Register makes a task known to this process. It panics when its name is taken.
func Register(h *Handler) {
	handlersMu.Lock()
	defer handlersMu.Unlock()
	if other := handlers[h.ID]; other != nil {
		panic(fmt.Sprintf("pool.Define: task %q: %q is defined already", h.Name, other.Name))
	}
	handlers[h.ID] = h
}

// ByID returns the task of that id, or nil.
func ByID(id uint64) *Handler {
	handlersMu.RLock()
	defer handlersMu.RUnlock()
	return handlers[id]
}

// IDOf returns the id of the task of that name.
func IDOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// Form is how values of the codec lie in a chunk.
func (c Codec[T]) Form() chunkForm { return chunkForm{c.Way, c.Size} }

// New returns the task f without its types.
func New[A, R any](id uint64, name string, args Codec[A], rets Codec[R], f func(context.Context, A) (R, error)) *Handler {
	holds := args.IsWire() && mayHoldHandles(reflect.TypeFor[A]())
	return &Handler{
		Name: name, ID: id, Args: args.Form(), vector: runVector(args, rets, f), retSize: rets.Size,
		signature: sync.OnceValue(func() uint64 { return signatureOf(name, reflect.TypeFor[A](), reflect.TypeFor[R]()) }),
		Begin: func(in []byte) (func(context.Context) error, error) {
			arg, err := args.Decode(in)
			if err != nil {
				return nil, fmt.Errorf("decode the argument of task %q: %w", name, err)
			}
			return func(ctx context.Context) error {
				_, err := f(ctx, arg)
				return err
			}, nil
		},
		Encode: func(arg any) ([]byte, error) { return args.Encode(arg.(*A)) },
		run: func(ctx context.Context, in []byte, out *Reply) error {
			arg, err := args.view(in)
			if holds {
				s := newScope(reflect.ValueOf(&arg))
				defer s.end()
				ctx = context.WithValue(ctx, scopeKey{}, s)
			}
			if err != nil {
				return fmt.Errorf("decode the argument: %w", err)
			}
			result, err := f(ctx, arg)
			if err != nil {
				return &taskError{err}
			}
			b, err := rets.Encode(&result)
			if err != nil {
				return fmt.Errorf("encode the result: %w", err)
			}
			return out.put(KindValue, b)
		},
	}
}

// CheckArguments looks whether b has count arguments, more than one, one after the other. It does
// not look into them.
func (h *Handler) CheckArguments(b []byte, count int) error {
	args, err := h.Args.ArgumentsIn(b, count)
	for range count {
		if err != nil {
			return err
		}
		_, err = args.Next()
	}
	return err
}
