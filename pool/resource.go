package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/worker"
)

// A Resource is something that each worker has for itself as long as it lives, such as a connection
// to a database: opened before the worker's first task, closed after its last one. It is made by
// [DefineResource] of a function that takes an A and returns a T, and a pool has it when its
// Options.Resources list it, itself or [Resource.With] an argument.
//
// It is closed when the pool is closed or terminated with a grace that is long enough, when the
// worker is replaced because of its age, its memory or its idleness, and when the parent is gone. A
// panic of a task does not change that. What cannot close it is a death of the worker itself: a
// SIGKILL, a crash, os.Exit. Options.OnWorkerExit, which runs in the parent, tells of every end of
// a worker, and is the place to clean up after those.
type Resource[A, T any] struct {
	untyped *worker.Resource
	args    task.Codec[A]
	opener  func(ctx context.Context, arg A) (T, func() error, error)
}

// AnyResource is a [Resource] of any type, with its argument.
type AnyResource interface {
	// Name is the name that the resource was defined with.
	Name() string

	// bind is how it is opened, and the bytes of the argument.
	bind() (*worker.Resource, []byte, error)
}

// DefineResource makes a resource of a function that opens it. Call it for a package-level
// variable, so that it is defined in the worker, too, before [Main] is called. [Resource.With]
// gives the argument; for a resource that needs none A is struct{}.
//
// A worker calls open once, in a goroutine of its own. The context ends when the pool is terminated
// or its parent is gone. The function that open returns closes the resource; it may be nil. With an
// error the other results are ignored, and the worker takes no tasks.
//
// It panics when the name is taken or empty, and when a value of A would arrive changed, as
// [Define] does.
func DefineResource[A, T any](name string, open func(ctx context.Context, arg A) (T, func() error, error)) *Resource[A, T] {
	args, err := task.CodecFor[A]()
	switch {
	case name == "":
		panic("pool.DefineResource: the name is empty")
	case open == nil:
		panic(fmt.Sprintf("pool.DefineResource: resource %q: no function to open it", name))
	case err != nil:
		panic(fmt.Sprintf("pool.DefineResource: resource %q: argument: %v", name, err))
	}
	r := &Resource[A, T]{args: args, opener: open}
	r.untyped = &worker.Resource{Name: name, Open: r.open}
	worker.RegisterResource(r.untyped)
	return r
}

// Name is the name that the resource was defined with.
func (r *Resource[A, T]) Name() string {
	if r.untyped == nil { // the resource was not made by DefineResource
		return ""
	}
	return r.untyped.Name
}

// With is the resource that is opened with arg, for Options.Resources. The argument is encoded at
// once: what is changed in it later does not count. Without With it is the zero value.
//
// What of arg cannot travel is an error of [New].
func (r *Resource[A, T]) With(arg A) AnyResource {
	b, err := r.args.Encode(&arg)
	return &resourceWith{worker.BoundResource{Of: r.untyped, Arg: bytes.Clone(b)}, err}
}

func (r *Resource[A, T]) bind() (*worker.Resource, []byte, error) { return r.With(*new(A)).bind() }

// A resourceWith is a resource with its argument.
type resourceWith struct {
	worker.BoundResource
	err error // why the argument cannot be encoded
}

func (b *resourceWith) Name() string { return b.Of.Name }

func (b *resourceWith) bind() (*worker.Resource, []byte, error) { return b.Of, b.Arg, b.err }

// Get is the resource of the worker in which the task runs; ctx is the task's, or comes from it.
// The task may use it until it returns, and must not close it. With one task at a time in a worker
// no two tasks use it at once.
//
// It panics when ctx is not a task's, and when the pool does not list the resource.
func (r *Resource[A, T]) Get(ctx context.Context) T {
	value, inTask := worker.ResourceIn(ctx, r.untyped)
	switch {
	case !inTask:
		panic(fmt.Sprintf("pool.Resource.Get: resource %q: the context is not that of a task", r.Name()))
	case value == nil:
		panic(fmt.Sprintf("pool.Resource.Get: resource %q: the pool does not have it: list it in Options.Resources", r.Name()))
	}
	return *value.(*T)
}

func (r *Resource[A, T]) open(ctx context.Context, b []byte) (any, func() error, error) {
	arg, err := r.args.Decode(b)
	if err != nil {
		return nil, nil, fmt.Errorf("decode the argument: %w", err)
	}
	value, closer, err := r.opener(ctx, arg)
	if err != nil {
		return nil, nil, err
	}
	return &value, closer, nil
}

// bindAll binds resources, and tells those of each name apart.
//
// Errors: one that is nil, was not made by DefineResource, or is there twice; an argument that
// cannot travel.
func bindAll(rs []AnyResource) ([]worker.BoundResource, error) {
	bound := make([]worker.BoundResource, 0, len(rs))
	for _, r := range rs {
		if r == nil {
			return nil, errors.New("pool: a resource is nil")
		}
		of, arg, err := r.bind()
		switch {
		case err != nil:
			return nil, fmt.Errorf("pool: resource %q: send the argument: %w", r.Name(), err)
		case of == nil:
			return nil, fmt.Errorf("pool: resource %q was not made by pool.DefineResource", r.Name())
		case slices.ContainsFunc(bound, func(other worker.BoundResource) bool { return other.Of == of }):
			return nil, fmt.Errorf("pool: resource %q is listed twice", r.Name())
		}
		b := worker.BoundResource{Of: of, Arg: arg}
		bound = append(bound, b)
	}
	return bound, nil
}
