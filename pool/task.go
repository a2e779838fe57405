package pool

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
)

// A Task is a function that workers can run: it takes an A and returns an R. It
// is made by [Define].
type Task[A, R any] struct {
	name string
	id   uint64
	args codec[A]
	rets codec[R]
}

// Name is the name that the task was defined with.
func (t *Task[A, R]) Name() string { return t.name }

// Define makes f a task. Call it for a package-level variable, so that it is defined
// in the worker, too, before [Main] is called. The context ends when the pool is terminated or its parent is gone.
//
// It panics when the name is taken, or when A or R cannot travel between processes.
func Define[A, R any](name string, f func(ctx context.Context, arg A) (R, error)) *Task[A, R] {
	t := &Task[A, R]{name: name, id: idOf(name)}
	var err error
	if t.args, err = codecFor[A](); err != nil {
		panic(fmt.Sprintf("pool.Define: task %q: argument: %v", name, err))
	}
	if t.rets, err = codecFor[R](); err != nil {
		panic(fmt.Sprintf("pool.Define: task %q: result: %v", name, err))
	}
	register(t.id, &handler{name: name, begin: beginner(t, f), run: func(ctx context.Context, in []byte, w *reply) error {
		arg, err := t.args.decode(in)
		if err != nil {
			return fmt.Errorf("decode the argument of task %q: %w", name, err)
		}
		result, err := f(ctx, arg)
		if err != nil {
			return &taskError{err}
		}
		return sendResult(t.rets, result, w)
	}})
	return t
}

// A handler is a task without its types.
type handler struct {
	name  string
	run   func(ctx context.Context, in []byte, w *reply) error
	begin func(in []byte) (run func(context.Context) error, err error) // for a Process, which has no reply
}

// taskError marks an error as the task function's own.
type taskError struct{ err error }

func (e *taskError) Error() string { return e.err.Error() }

var (
	handlersMu sync.RWMutex
	handlers   = map[uint64]*handler{}
)

func register(id uint64, h *handler) {
	handlersMu.Lock()
	defer handlersMu.Unlock()
	if other := handlers[id]; other != nil {
		panic(fmt.Sprintf("pool.Define: task %q: %q is defined already", h.name, other.name))
	}
	handlers[id] = h
}

func handlerOf(id uint64) *handler {
	handlersMu.RLock()
	defer handlersMu.RUnlock()
	return handlers[id]
}

func idOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}
