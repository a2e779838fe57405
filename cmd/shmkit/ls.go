package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/inspect"
)

func (t *tool) lsCommand() *cobra.Command {
	all, by := false, "name"
	c := &cobra.Command{
		Use:     "ls",
		Short:   "List segments",
		Example: "  shmkit ls\n  shmkit ls -s used",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return t.onView(c, nil, func(_ context.Context, v *view) error {
				if !all {
					v.segments = slices.DeleteFunc(v.segments, func(s *inspect.Segment) bool { return s.Living == 0 && s.Kind != inspect.KindFile })
				}
				if err := sortSegments(v.segments, by); err != nil {
					return err
				}
				a := answer{Segments: orEmpty(v.segments), Skipped: v.skipped}
				return t.write("ls", a, func() string { return t.segmentTable(v.segments) })
			})
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "also what no living process has open and has no name")
	c.Flags().StringVarP(&by, "sort", "s", by, "sort by: name, size, used, objects, processes, waits, age")
	return c
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q: this command takes no names", args[0])}
	}
	return nil
}

// needs is the check of the number of arguments.
func needs(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usageError{errors.New(what)}
		}
		return nil
	}
}

func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func sortSegments(all []*inspect.Segment, by string) error {
	keys := map[string]func(a, b *inspect.Segment) int{
		"name":      func(a, b *inspect.Segment) int { return cmp.Compare(a.Name, b.Name) },
		"size":      func(a, b *inspect.Segment) int { return cmp.Compare(b.SizeBytes, a.SizeBytes) },
		"used":      func(a, b *inspect.Segment) int { return cmp.Compare(b.ReservedBytes, a.ReservedBytes) },
		"objects":   func(a, b *inspect.Segment) int { return cmp.Compare(b.Objects, a.Objects) },
		"processes": func(a, b *inspect.Segment) int { return cmp.Compare(b.Living, a.Living) },
		"waits":     func(a, b *inspect.Segment) int { return cmp.Compare(b.Waits, a.Waits) },
		"age":       func(a, b *inspect.Segment) int { return a.Modified.Compare(b.Modified) },
	}
	key, ok := keys[by]
	if !ok {
		return usageError{fmt.Errorf("%q: there is no such column to sort by", by)}
	}
	slices.SortStableFunc(all, key)
	return nil
}

// segmentTable is a line for each segment.
func (t *tool) segmentTable(all []*inspect.Segment) string {
	w := newTable()
	w.row(" ", "NAME", "KIND", "SIZE", "USED", "OBJECTS", "PROCS", "WAITS", "AGE", "")
	for _, s := range all {
		remark := strings.Join(s.Trouble, "; ")
		if remark == "" && s.Living == 0 {
			remark = "no living process has it open"
		}
		waits := "-"
		if s.Waits > 0 {
			waits = fmt.Sprint(s.Waits)
		}
		w.row(t.trouble(len(s.Trouble) > 0), quoted(s.Name), s.Kind, size(s.SizeBytes), size(s.ReservedBytes), fmt.Sprint(s.Objects),
			fmt.Sprintf("%d/%d", s.Living, s.MaxProcesses), waits, span(t.time().Sub(s.Modified)), remark)
	}
	return w.String()
}
