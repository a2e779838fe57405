package worker

import (
	"context"
	"fmt"
	"sync"
)

// An Resource is a resource without its types.
type Resource struct {
	Name string

	// open opens it with the argument in the bytes. The value is a pointer to what it has opened,
	// so that a task gets it without taking memory.
	Open func(ctx context.Context, arg []byte) (value any, closer func() error, err error)
}

// A BoundResource is a resource with the bytes of its argument.
type BoundResource struct {
	Of  *Resource
	Arg []byte
}

var (
	resourcesMu sync.RWMutex
	resources   = map[string]*Resource{}
)

// RegisterResource makes a resource known to this process. It panics when its name is taken.
func RegisterResource(r *Resource) {
	resourcesMu.Lock()
	defer resourcesMu.Unlock()
	if resources[r.Name] != nil {
		panic(fmt.Sprintf("pool.DefineResource: resource %q is defined already", r.Name))
	}
	resources[r.Name] = r
}

// ForgetResource is for tests, which define resources of the same name.
func ForgetResource(name string) {
	resourcesMu.Lock()
	defer resourcesMu.Unlock()
	delete(resources, name)
}

// ResourceIn returns what the worker of a task has opened for r, or nil. It reports false when ctx
// is not that of a task.
func ResourceIn(ctx context.Context, r *Resource) (value any, inTask bool) {
	o, ok := ctx.Value(openedKey{}).(*Opened)
	if !ok {
		return nil, false
	}
	for i := range o.entries {
		if e := &o.entries[i]; e.of == r {
			return e.value, true
		}
	}
	return nil, true
}

// A ResourceConfig is what a worker is told of a resource.
type ResourceConfig struct {
	Name  string
	Block uint64 `json:",omitempty"` // of the argument, in the segment of the pool
	Size  int    `json:",omitempty"` // of it, in bytes
	Empty bool   `json:",omitempty"` // it has none, and is not nil
}

// ResourcesOf finds the resources of a worker, with their arguments, in the same order.
//
// Errors: one that this program does not know; damaged shared memory.
func (w *Worker) ResourcesOf(configs []ResourceConfig) ([]BoundResource, error) {
	resourcesMu.RLock()
	defer resourcesMu.RUnlock()
	rs := make([]BoundResource, 0, len(configs))
	for _, c := range configs {
		r := BoundResource{Of: resources[c.Name]}
		if r.Of == nil {
			return nil, fmt.Errorf("pool: the worker does not know resource %q: define it before pool.Main is called", c.Name)
		}
		if c.Empty {
			r.Arg = []byte{}
		}
		if c.Size > 0 {
			b, err := w.Mem.Bytes(c.Block, c.Size)
			if err != nil {
				return nil, fmt.Errorf("pool: resource %q: its argument: %w", c.Name, err)
			}
			r.Arg = append([]byte{}, b...)
		}
		rs = append(rs, r)
	}
	return rs, nil
}
