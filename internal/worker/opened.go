package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/guard"
)

// Opened are the resources of one worker.
type Opened struct {
	entries []openedEntry // resources in the order of opening; immutable
	later   finalizers
	logger  *slog.Logger // logger of the worker; nil: it has none
	once    sync.Once
	err     error // what close returned
}

type openedEntry struct {
	of     *Resource
	value  any          // a pointer to what open returned
	closer func() error // nil: there is nothing to close
}

// openedKey is the key of a *opened in the context of a task.
type openedKey struct{}

// OpenResources opens the resources in their order. When one cannot be opened, because it returns
// an error, panics, ends its goroutine or ctx has ended, those that were opened before are closed,
// and later ones are not opened. Without any resource it returns an empty set. Its context hides
// the resources of an outer pool.
//
// Errors: why a resource could not be opened, with its name, and what closing the others returned.
func OpenResources(ctx context.Context, rs []BoundResource) (*Opened, error) {
	o := &Opened{entries: make([]openedEntry, 0, len(rs))}
	for _, r := range rs {
		e := openedEntry{of: r.Of}
		err := context.Cause(ctx)
		if err == nil {
			err = guard.Call(func() (err error) {
				e.value, e.closer, err = r.Of.Open(ctx, r.Arg)
				return err
			})
		}
		if err != nil {
			err = fmt.Errorf("pool: open resource %q: %w", r.Of.Name, err)
			event.Show(slog.LevelError, "resource cannot be opened", slog.String("resource", r.Of.Name), slog.Any("error", err))
			return nil, join(err, o.Close())
		}
		event.Show(slog.LevelDebug, "resource opened", slog.String("resource", r.Of.Name))
		o.entries = append(o.entries, e)
	}
	return o, nil
}

// Context is a context of a task that finds these resources.
func (o *Opened) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, openedKey{}, o)
}

// Close runs what tasks have added with [Finalize], and then closes the resources, the last that
// was opened first. Whatever one of them does, the others are closed, too. Every call returns when
// all are closed, with the same error; only the first closes.
//
// Errors: those of the functions, each with its name.
func (o *Opened) Close() error {
	o.once.Do(func() {
		errs := o.later.close()
		for _, e := range slices.Backward(o.entries) {
			if e.closer == nil {
				continue
			}
			if err := guard.Call(e.closer); err != nil {
				err = fmt.Errorf("pool: close resource %q: %w", e.of.Name, err)
				event.Show(slog.LevelError, "resource cannot be closed", slog.String("resource", e.of.Name), slog.Any("error", err))
				errs = append(errs, err)
				continue
			}
			event.Show(slog.LevelDebug, "resource closed", slog.String("resource", e.of.Name))
		}
		o.err = join(errs...)
	})
	return o.err
}

// join is errors.Join that leaves a single error alone.
func join(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
