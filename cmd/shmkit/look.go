package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

// A view is the segments that a command looks at. It must be closed.
type view struct {
	segments []*inspect.Segment
	files    []*inspect.File
	skipped  []inspect.Skipped
}

func (v *view) close() {
	for _, f := range v.files {
		f.Close()
	}
}

// look reads the segments of these names, or all that can be found. Of those that were named each
// must be readable.
func (t *tool) look(ctx context.Context, names []string) (*view, error) {
	v := new(view)
	if len(names) == 0 {
		v.files, v.skipped = t.search.Find()
	}
	for _, name := range names {
		files, err := t.search.Locate(name)
		if err != nil {
			v.close()
			return nil, err
		}
		v.files = append(v.files, files...)
	}
	for _, f := range v.files {
		if err := ctx.Err(); err != nil {
			v.skipped = append(v.skipped, inspect.Skipped{Path: f.Path, Reason: "the time is up"})
			continue
		}
		s, err := inspect.Read(f)
		switch {
		case err == nil:
			v.segments = append(v.segments, s)
		case len(names) > 0:
			v.close()
			return nil, err
		default:
			v.skipped = append(v.skipped, inspect.Skipped{Path: f.Path, Reason: err.Error()})
		}
	}
	return v, nil
}

// skip notes that a segment, or a part of it, could not be read.
func (v *view) skip(s *inspect.Segment, err error) {
	v.skipped = append(v.skipped, inspect.Skipped{Path: s.Path, Reason: err.Error()})
}

// onView calls f with what look finds for the command, within its time-out.
func (t *tool) onView(c *cobra.Command, names []string, f func(ctx context.Context, v *view) error) error {
	ctx, cancel := t.bounded(c)
	defer cancel()
	v, err := t.look(ctx, names)
	if err != nil {
		return err
	}
	defer v.close()
	return f(ctx, v)
}

// lookAtOne is look for a command that shows one segment.
func (t *tool) lookAtOne(ctx context.Context, name string) (*view, *inspect.Segment, error) {
	v, err := t.look(ctx, []string{name})
	if err != nil {
		return nil, nil, err
	}
	if len(v.segments) != 1 {
		v.close()
		return nil, nil, usageError{fmt.Errorf("%s: means %d segments: name one by id:…", name, len(v.segments))}
	}
	return v, v.segments[0], nil
}

// objects are the objects of a segment, by their names; all if there are no names.
func objects(ctx context.Context, s *inspect.Segment, names []string, want describe.Want) (all []inspect.Object, err error) {
	for _, name := range names {
		o, err := s.Object(name, want)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	if len(names) > 0 {
		return all, nil
	}
	for o, err := range s.All(want) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return all, err
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, func(a, b inspect.Object) int {
		switch {
		case a.Unnamed == b.Unnamed && a.Name < b.Name, !a.Unnamed && b.Unnamed:
			return -1
		}
		return 1
	})
	return all, nil
}

// isTimeUp reports whether a command ended because of its own time-out.
func isTimeUp(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
