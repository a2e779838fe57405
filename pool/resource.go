package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A Resource is something that each worker has for itself as long as it lives, such as a connection to a
// database: opened before the worker's first task, closed after its last one. It is made by [DefineResource] of a function
// that takes an A and returns a T, and a pool has it when its Options.Resources list it, itself or [Resource.With] an argument.
//
// It is closed when the pool is closed or terminated with a grace that is long enough, when the worker is replaced because of
// its age, its memory or its idleness, and when the parent is gone. A panic of a task does not change that. What cannot close it is a
// death of the worker itself: a SIGKILL, a crash, os.Exit. Options.OnWorkerExit, which runs in the parent, tells of every
// end of a worker, and is the place to clean up after those.
type Resource[A, T any] struct {
	name   string
	args   codec[A]
	opener func(ctx context.Context, arg A) (T, func() error, error)
}

// AnyResource is a [Resource] of any type, with its argument.
type AnyResource interface {
	// Name is the name that the resource was defined with.
	Name() string

	// bind is how it is opened, and the bytes of the argument.
	bind() (resourceOpener, []byte, error)
}

// A resourceOpener is a [Resource] without its types.
type resourceOpener interface {
	// open opens it with the argument in the bytes. The value is a *T, so that [Resource.Get] takes no memory.
	open(ctx context.Context, arg []byte) (value any, closer func() error, err error)
}

var (
	resourcesMu sync.RWMutex
	resources   = map[string]resourceOpener{}
)

// DefineResource makes a resource of a function that opens it. Call it for a package-level variable, so that it is
// defined in the worker, too, before [Main] is called. [Resource.With] gives the argument; for a resource
// that needs none A is struct{}.
//
// A worker calls open once, in a goroutine of its own. The context ends when the pool is terminated or its parent is gone. The
// function that open returns closes the resource; it may be nil. With an error the other results are ignored, and the worker
// takes no tasks.
//
// It panics when the name is taken or empty, and when a value of A would arrive changed, as [Define] does.
func DefineResource[A, T any](name string, open func(ctx context.Context, arg A) (T, func() error, error)) *Resource[A, T] {
	r := &Resource[A, T]{name: name, opener: open}
	resourcesMu.Lock()
	defer resourcesMu.Unlock()
	var err error
	switch r.args, err = codecFor[A](); {
	case name == "":
		panic("pool.DefineResource: the name is empty")
	case open == nil:
		panic(fmt.Sprintf("pool.DefineResource: resource %q: no function to open it", name))
	case resources[name] != nil:
		panic(fmt.Sprintf("pool.DefineResource: resource %q is defined already", name))
	case err != nil:
		panic(fmt.Sprintf("pool.DefineResource: resource %q: argument: %v", name, err))
	}
	resources[name] = r
	return r
}

// Name is the name that the resource was defined with.
func (r *Resource[A, T]) Name() string { return r.name }

// With is the resource that is opened with arg, for Options.Resources. The argument is encoded at once:
// what is changed in it later does not count. Without With it is the zero value.
//
// What of arg cannot travel is an error of [New].
func (r *Resource[A, T]) With(arg A) AnyResource {
	b, err := r.args.encode(&arg)
	return &boundResource{r.name, r, append([]byte{}, b...), err}
}

func (r *Resource[A, T]) bind() (resourceOpener, []byte, error) { return r.With(*new(A)).bind() }

// A boundResource is a resource with its argument.
type boundResource struct {
	name string
	of   resourceOpener
	arg  []byte
	err  error // of the argument
}

func (b *boundResource) Name() string { return b.name }

func (b *boundResource) bind() (resourceOpener, []byte, error) { return b.of, b.arg, b.err }

// Get is the resource of the worker in which the task runs; ctx is the task's, or comes from it. The task may
// use it until it returns, and must not close it. With one task at a time in a worker no two tasks use it at once.
//
// It panics when ctx is not a task's, and when the pool does not list the resource.
func (r *Resource[A, T]) Get(ctx context.Context) T {
	o, ok := ctx.Value(openedKey{}).(*opened)
	if !ok {
		panic(fmt.Sprintf("pool.Resource.Get: resource %q: the context is not that of a task", r.name))
	}
	for i := range o.entries {
		if e := &o.entries[i]; e.of == resourceOpener(r) {
			return *e.value.(*T)
		}
	}
	panic(fmt.Sprintf("pool.Resource.Get: resource %q: the pool does not have it: list it in Options.Resources", r.name))
}

func (r *Resource[A, T]) open(ctx context.Context, b []byte) (any, func() error, error) {
	arg, err := r.args.decode(b)
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
// Errors: one that is nil, was not made by DefineResource, or is there twice; an argument that cannot travel.
func bindAll(rs []AnyResource) ([]boundResource, error) {
	resourcesMu.RLock()
	defer resourcesMu.RUnlock()
	bound := make([]boundResource, 0, len(rs))
	for _, r := range rs {
		if r == nil {
			return nil, errors.New("pool: a resource is nil")
		}
		b := boundResource{name: r.Name()}
		b.of, b.arg, b.err = r.bind()
		switch {
		case b.err != nil:
			return nil, fmt.Errorf("pool: resource %q: send the argument: %w", b.name, b.err)
		case resources[b.name] != b.of:
			return nil, fmt.Errorf("pool: resource %q was not made by pool.DefineResource", b.name)
		case slices.ContainsFunc(bound, func(other boundResource) bool { return other.name == b.name }):
			return nil, fmt.Errorf("pool: resource %q is listed twice", b.name)
		}
		bound = append(bound, b)
	}
	return bound, nil
}

// A resourceConfig is what a worker is told of a resource.
type resourceConfig struct {
	Name  string
	Block uint64 `json:",omitempty"` // of the argument, in the segment of the pool
	Size  int    `json:",omitempty"` // of it, in bytes
}

// argumentBytes is how much room in a segment the arguments of resources take, about.
func argumentBytes(rs []boundResource) (n int64) {
	for _, r := range rs {
		n += int64(len(r.arg)) + int64(len(r.arg))/16 + 1<<10
	}
	return n
}

// configureResources puts the arguments of resources where workers find them.
//
// Errors: no room for them.
func (p *Pool) configureResources(rs []boundResource) ([]resourceConfig, error) {
	var configs []resourceConfig
	for _, r := range rs {
		c := resourceConfig{Name: r.name, Size: len(r.arg)}
		if c.Size > 0 {
			block, mem, err := p.table.Mem.AllocDirty(c.Size)
			if err != nil {
				return nil, fmt.Errorf("resource %q: room for an argument of %d bytes: %w", r.name, c.Size, err)
			}
			copy(mem, r.arg)
			c.Block = block
		}
		configs = append(configs, c)
	}
	return configs, nil
}

// resourcesOf finds the resources of a worker, with their arguments, in the same order.
//
// Errors: one that this program does not know; damaged shared memory.
func (w *worker) resourcesOf(configs []resourceConfig) ([]boundResource, error) {
	resourcesMu.RLock()
	defer resourcesMu.RUnlock()
	rs := make([]boundResource, 0, len(configs))
	for _, c := range configs {
		r := boundResource{name: c.Name, of: resources[c.Name]}
		if r.of == nil {
			return nil, fmt.Errorf("pool: the worker does not know resource %q: define it before pool.Main is called", c.Name)
		}
		if c.Size > 0 {
			b, err := w.Mem.Bytes(c.Block, c.Size)
			if err != nil {
				return nil, fmt.Errorf("pool: resource %q: its argument: %w", c.Name, err)
			}
			r.arg = append([]byte{}, b...)
		}
		rs = append(rs, r)
	}
	return rs, nil
}
