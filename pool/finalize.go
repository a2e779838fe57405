package pool

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/event"
)

// A Finalizer is what a worker does before it ends, because one of its tasks wants so. It is made by
// [Finalize], and may be used by any number of goroutines.
type Finalizer struct {
	of       *finalizers
	name     string
	priority int
	close    func() error
	once     sync.Once
	err      error // of close
}

// Finalize has the worker in which the task runs call closer when it ends, in any way in which it closes its
// resources, and before that: for what a task opens and later ones use, such as a cache or a temporary file. Those
// of a higher priority come first, of the same priority the last that was added. ctx is the task's, or comes
// from it. What closer returns, or panics with, goes to the worker's standard error, with the name.
//
// In a worker that is about to end closer is called at once.
//
// It panics when ctx is not that of a task of a pool, and when closer is nil.
func Finalize(ctx context.Context, priority int, name string, closer func() error) *Finalizer {
	o, ok := ctx.Value(openedKey{}).(*opened)
	switch {
	case !ok:
		panic(fmt.Sprintf("pool.Finalize: %q: the context is not that of a task", name))
	case closer == nil:
		panic(fmt.Sprintf("pool.Finalize: %q: no function to call", name))
	}
	f := &Finalizer{of: &o.later, name: name, priority: priority, close: closer}
	if !o.later.add(f) {
		f.run()
	}
	return f
}

// Run calls the function now, if it has neither been called nor cancelled, and returns what it returns. Every
// call returns the same.
//
// Errors: that of the function; a [*PanicError].
func (f *Finalizer) Run() error {
	if f.of.remove(f) {
		f.run()
	}
	f.once.Do(func() {}) // waits for a worker that is at it
	return f.err
}

// Cancel has the function not be called. It reports whether that is so: it may have been called, or cancelled, before.
func (f *Finalizer) Cancel() bool { return f.of.remove(f) }

// run calls the function, once.
func (f *Finalizer) run() {
	f.once.Do(func() {
		if err := runUser("", f.close); err != nil {
			f.err = fmt.Errorf("pool: finalizer %q: %w", f.name, err)
			event.Show(slog.LevelError, "finalizer has failed", slog.String("finalizer", f.name), slog.Any("error", f.err))
		}
	})
}

// finalizers are those of one worker.
type finalizers struct {
	mu     sync.Mutex
	all    []*Finalizer // in the order in which they were added
	closed bool
}

// add adds f, unless the worker ends.
func (fs *finalizers) add(f *Finalizer) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return false
	}
	fs.all = append(fs.all, f)
	return true
}

// remove takes f away, and reports whether it was there.
func (fs *finalizers) remove(f *Finalizer) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	i := slices.Index(fs.all, f)
	if i >= 0 {
		fs.all = slices.Delete(fs.all, i, i+1)
	}
	return i >= 0
}

// next takes the one that is to run next, or nil: then no more are added.
func (fs *finalizers) next() *Finalizer {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var next *Finalizer
	for _, f := range fs.all {
		if next == nil || f.priority >= next.priority {
			next = f
		}
	}
	if next == nil {
		fs.closed = true
		return nil
	}
	fs.all = slices.DeleteFunc(fs.all, func(f *Finalizer) bool { return f == next })
	return next
}

// close runs all, those as well that are added meanwhile.
//
// Errors: those of the functions, each with its name.
func (fs *finalizers) close() (errs []error) {
	for f := fs.next(); f != nil; f = fs.next() {
		if f.run(); f.err != nil {
			errs = append(errs, f.err)
		}
	}
	return errs
}
