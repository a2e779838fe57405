package main

import (
	"context"
	"slices"

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
		text += poolLine(s.Name, tasks.Facts) + "\n"
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
			since := cell("since")
			if after := cell("notBefore"); after != "-" {
				since = "after " + after
			}
			w.row(" ", cell("process"), cell("stage"), cell("task"), since, cell("finished")+" finished")
		}
		text += w.String() + taskText(tasks.Facts)
	}
	if text == "" {
		return "no pool is at work\n"
	}
	return text
}

// poolLine is a pool in one line, without its workers and tasks.
func poolLine(name string, facts describe.Facts) string {
	some := slices.DeleteFunc(slices.Clone(facts), func(f describe.Fact) bool { return f.Name == "tasks" || f.Name == "exits" })
	text := quoted(name) + ": " + list(some, func(f describe.Fact) string { return f.Name + " " + plain(f.Value) })
	exits, _ := facts.Get("exits")
	if ended := nonZero(exits); ended != "" {
		text += "; workers ended: " + ended
	}
	return text
}

// taskText has a line for each task of a pool.
func taskText(facts describe.Facts) string {
	tasks, _ := facts.Get("tasks")
	all, _ := tasks.([]any)
	w := newTable()
	for _, one := range all {
		task, _ := one.(describe.Facts)
		name, _ := task.Get("name")
		counts := slices.DeleteFunc(slices.Clone(task), func(f describe.Fact) bool { return f.Name == "name" })
		w.row(" ", "task "+plain(name), nonZero(counts))
	}
	return w.String()
}

// nonZero are the numbers of facts that are not 0.
func nonZero(facts any) string {
	all, _ := facts.(describe.Facts)
	some := slices.DeleteFunc(slices.Clone(all), func(f describe.Fact) bool { return f.Value == uint64(0) })
	return list(some, func(f describe.Fact) string { return f.Name + " " + plain(f.Value) })
}
