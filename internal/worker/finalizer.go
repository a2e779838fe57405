package worker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/guard"
)

// A Finalizer is what a worker does before it ends, because one of its tasks wants so.
type Finalizer struct {
	of       *finalizers
	name     string
	priority int
	close    func() error
	once     sync.Once
	err      error // what close returned
}

// AddFinalizer has the worker of the task of ctx call closer before it ends. A worker that is about
// to end calls it at once. It returns nil when ctx is not that of a task.
func AddFinalizer(ctx context.Context, priority int, name string, closer func() error) *Finalizer {
	o, ok := ctx.Value(openedKey{}).(*Opened)
	if !ok {
		return nil
	}
	f := &Finalizer{of: &o.later, name: name, priority: priority, close: closer}
	if !o.later.add(f) {
		f.run()
	}
	return f
}

// Run calls the function, if it has neither been called nor cancelled, and returns what it returns.
func (f *Finalizer) Run() error {
	if f.of.remove(f) {
		f.run()
	}
	f.once.Do(func() {}) // waits for a worker that is at it
	return f.err
}

// Cancel has the function not be called. It reports whether that is so.
func (f *Finalizer) Cancel() bool { return f.of.remove(f) }

// run calls the function, once.
func (f *Finalizer) run() {
	f.once.Do(func() {
		if err := guard.Call(f.close); err != nil {
			f.err = fmt.Errorf("pool: finalizer %q: %w", f.name, err)
			event.Show(slog.LevelError, "finalizer has failed", slog.String("finalizer", f.name), slog.Any("error", f.err))
		}
	})
}

// finalizers are those of one worker.
type finalizers struct {
	mu     sync.Mutex
	all    []*Finalizer // finalizers in the order in which they were added
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
