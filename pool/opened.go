package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/event"
)

// opened are the resources of one worker.
type opened struct {
	entries []openedEntry // in the order of opening; immutable
	later   finalizers
	logger  *slog.Logger // of the worker; nil: it has none
	once    sync.Once
	err     error // of close
}

type openedEntry struct {
	name   string
	of     resourceOpener
	value  any          // a pointer to what open returned
	closer func() error // nil: there is nothing to close
}

// openedKey is the key of a *opened in the context of a task.
type openedKey struct{}

// openResources opens the resources in their order. When one cannot be opened, because it returns an error, panics, ends its
// goroutine or ctx has ended, those that were opened before are closed, and what comes after is not touched. Without any
// resource it returns one of none, whose context hides the resources of an outer pool.
//
// Errors: why a resource could not be opened, with its name, and what closing the others returned.
func openResources(ctx context.Context, rs []boundResource) (*opened, error) {
	o := &opened{entries: make([]openedEntry, 0, len(rs))}
	for _, r := range rs {
		e := openedEntry{name: r.name, of: r.of}
		err := context.Cause(ctx)
		if err == nil {
			err = runUser("", func() (err error) {
				e.value, e.closer, err = r.of.open(ctx, r.arg)
				return err
			})
		}
		if err != nil {
			err = fmt.Errorf("pool: open resource %q: %w", r.name, err)
			event.Show(slog.LevelError, "resource cannot be opened", slog.String("resource", r.name), slog.Any("error", err))
			return nil, join(err, o.close())
		}
		event.Show(slog.LevelDebug, "resource opened", slog.String("resource", r.name))
		o.entries = append(o.entries, e)
	}
	return o, nil
}

// context is a context of a task that finds these resources.
func (o *opened) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, openedKey{}, o)
}

// close runs what tasks have added with [Finalize], and then closes the resources, the last that was opened first. Whatever one
// of them does, the others are closed, too. Every call returns when all are closed, with the same error; only the first closes.
//
// Errors: those of the functions, each with its name.
func (o *opened) close() error {
	o.once.Do(func() {
		errs := o.later.close()
		for _, e := range slices.Backward(o.entries) {
			if e.closer == nil {
				continue
			}
			if err := runUser("", e.closer); err != nil {
				err = fmt.Errorf("pool: close resource %q: %w", e.name, err)
				event.Show(slog.LevelError, "resource cannot be closed", slog.String("resource", e.name), slog.Any("error", err))
				errs = append(errs, err)
				continue
			}
			event.Show(slog.LevelDebug, "resource closed", slog.String("resource", e.name))
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
