package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A Resource is something that each worker has for itself as long as it lives, such as a connection to a
// database: opened before the worker's first task, closed after its last one. It is made by [DefineResource], and a pool
// has it when its Options.Resources list it.
//
// It is closed when the pool is closed or terminated with a grace that is long enough, when the worker is replaced because of
// its age, its memory or its idleness, and when the parent is gone. A panic of a task does not change that. What cannot close it is a
// death of the worker itself: a SIGKILL, a crash, os.Exit. Options.OnWorkerExit, which runs in the parent, tells of every
// end of a worker, and is the place to clean up after those.
type Resource[T any] struct {
	name   string
	opener func(ctx context.Context) (T, func() error, error)
}

// AnyResource is a [Resource] of any type.
type AnyResource interface {
	// Name is the name that the resource was defined with.
	Name() string

	// open opens it. The value is a *T, so that [Resource.Get] takes no memory.
	open(ctx context.Context) (value any, closer func() error, err error)
}

var (
	resourcesMu sync.RWMutex
	resources   = map[string]AnyResource{}
)

// DefineResource makes a resource of a function that opens it. Call it for a package-level variable, so that it is
// defined in the worker, too, before [Main] is called.
//
// A worker calls open once, in a goroutine of its own. The context ends when the pool is terminated or its parent is gone. The
// function that open returns closes the resource; it may be nil. With an error the other results are ignored, and the worker
// takes no tasks.
//
// It panics when the name is taken or empty.
func DefineResource[T any](name string, open func(ctx context.Context) (T, func() error, error)) *Resource[T] {
	r := &Resource[T]{name: name, opener: open}
	resourcesMu.Lock()
	defer resourcesMu.Unlock()
	switch {
	case name == "":
		panic("pool.DefineResource: the name is empty")
	case open == nil:
		panic(fmt.Sprintf("pool.DefineResource: resource %q: no function to open it", name))
	case resources[name] != nil:
		panic(fmt.Sprintf("pool.DefineResource: resource %q is defined already", name))
	}
	resources[name] = r
	return r
}

// Name is the name that the resource was defined with.
func (r *Resource[T]) Name() string { return r.name }

// Get is the resource of the worker in which the task runs; ctx is the task's, or comes from it. The task may
// use it until it returns, and must not close it. With one task at a time in a worker no two tasks use it at once.
//
// It panics when ctx is not a task's, and when the pool does not list the resource.
func (r *Resource[T]) Get(ctx context.Context) T {
	o, ok := ctx.Value(openedKey{}).(*opened)
	if !ok {
		panic(fmt.Sprintf("pool.Resource.Get: resource %q: the context is not that of a task", r.name))
	}
	for i := range o.entries {
		if e := &o.entries[i]; e.of == AnyResource(r) {
			return *e.value.(*T)
		}
	}
	panic(fmt.Sprintf("pool.Resource.Get: resource %q: the pool does not have it: list it in Options.Resources", r.name))
}

func (r *Resource[T]) open(ctx context.Context) (any, func() error, error) {
	value, closer, err := r.opener(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &value, closer, nil
}

// namesOf returns the names of resources, by which a worker finds them.
//
// Errors: one that is nil, was not made by DefineResource, or is there twice.
func namesOf(rs []AnyResource) ([]string, error) {
	resourcesMu.RLock()
	defer resourcesMu.RUnlock()
	names := make([]string, 0, len(rs))
	for _, r := range rs {
		switch {
		case r == nil:
			return nil, errors.New("pool: a resource is nil")
		case resources[r.Name()] != r:
			return nil, fmt.Errorf("pool: resource %q was not made by pool.DefineResource", r.Name())
		case slices.Contains(names, r.Name()):
			return nil, fmt.Errorf("pool: resource %q is listed twice", r.Name())
		}
		names = append(names, r.Name())
	}
	return names, nil
}

// resourcesNamed finds the resources of those names, in the same order.
func resourcesNamed(names []string) ([]AnyResource, error) {
	resourcesMu.RLock()
	defer resourcesMu.RUnlock()
	rs := make([]AnyResource, 0, len(names))
	for _, name := range names {
		r := resources[name]
		if r == nil {
			return nil, fmt.Errorf("pool: the worker does not know resource %q: define it before pool.Main is called", name)
		}
		rs = append(rs, r)
	}
	return rs, nil
}
