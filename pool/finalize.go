package pool

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/worker"
)

// A Finalizer is a function that a task has given its worker to call before the worker ends. It is
// made by [Finalize], and may be used by any number of goroutines.
type Finalizer struct{ f *worker.Finalizer }

// Finalize has the worker in which the task runs call closer before it closes its resources,
// whenever it does that; a worker that is killed does neither. It is for what one task opens and
// later tasks use, such as a cache or a temporary file. Finalizers of a higher priority come first,
// of the same priority the last that was added. ctx is the task's, or comes from it. What closer
// returns, or panics with, goes to the worker's standard error, with the name.
//
// In a worker that is about to end closer is called at once.
//
// It panics when ctx is not that of a task of a pool, and when closer is nil.
func Finalize(ctx context.Context, priority int, name string, closer func() error) *Finalizer {
	if closer == nil {
		panic(fmt.Sprintf("pool.Finalize: %q: no function to call", name))
	}
	f := worker.AddFinalizer(ctx, priority, name, closer)
	if f == nil {
		panic(fmt.Sprintf("pool.Finalize: %q: the context is not that of a task", name))
	}
	return &Finalizer{f}
}

// Run calls the function now, if it has neither been called nor cancelled, and returns what it
// returns. Every call returns the same.
//
// Errors: that of the function; a [*PanicError].
func (f *Finalizer) Run() error { return f.f.Run() }

// Cancel has the function not be called. It reports whether that is so: it may have been called, or
// cancelled, before.
func (f *Finalizer) Cancel() bool { return f.f.Cancel() }
