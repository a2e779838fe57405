package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

func (t *tool) poolCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "pool [@PID…]",
		Short:   "Show pools, their workers and tasks",
		Example: "  shmkit pool\n  shmkit pool @4711",
		RunE: func(c *cobra.Command, args []string) error {
			return t.onView(c, args, func(_ context.Context, v *view) error {
				found := []shown{}
				for _, s := range v.segments {
					if s.Kind != inspect.KindPool {
						continue
					}
					tasks, err := s.Object("tasks", describe.Want{Elements: 1 << 10})
					if err != nil {
						v.skip(s, err)
						continue
					}
					found = append(found, shown{s, []inspect.Object{tasks}})
				}
				return t.write("pool", answer{Segments: found, Skipped: v.skipped}, func() string { return t.poolText(found) })
			})
		},
	}
}

func (t *tool) poolText(all []shown) string {
	text := ""
	for _, s := range all {
		tasks := &s.Objects[0]
		text += fmt.Sprintf("%s: %s\n", quoted(s.Name), list(tasks.Facts, func(f describe.Fact) string { return f.Name + " " + plain(f.Value) }))
		w := newTable()
		workers, _ := tasks.RawValue.([]any)
		for _, one := range workers {
			facts, _ := one.(describe.Facts)
			cell := func(name string) string {
				v, ok := facts.Get(name)
				if !ok {
					return "-"
				}
				return plain(v)
			}
			w.row(" ", cell("process"), cell("stage"), cell("task"), cell("since"), cell("finished")+" finished")
		}
		text += w.String()
	}
	if text == "" {
		return "no pool is at work\n"
	}
	return text
}
