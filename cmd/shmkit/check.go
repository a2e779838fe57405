package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
	"github.com/shmkit/shmkit/internal/segment"
)

// A checked segment is what a check has found, for JSON.
type checked struct {
	Name    string   `json:"name"`
	Path    string   `json:"path"`
	Damage  []string `json:"damage"`
	Objects int      `json:"objects"`
	Blocks  int      `json:"blocks"`
	// blocks of dead processes, which are freed when space is needed
	Orphans int `json:"orphans"`
}

func (t *tool) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "check [SEGMENT…]",
		Short:             "Compare the bookkeeping of segments with itself; exit code 1 for damage",
		Example:           "  shmkit check visits",
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			return t.onView(c, args, func(_ context.Context, v *view) error {
				found := []checked{}
				for _, s := range v.segments {
					one, err := t.check(s)
					if err != nil {
						v.skip(s, err)
						continue
					}
					found = append(found, one)
				}
				return t.write("check", answer{Segments: found, Skipped: v.skipped}, func() string { return t.checkText(found) })
			})
		},
	}
}

func (t *tool) checkText(all []checked) string {
	var b strings.Builder
	for _, one := range all {
		if len(one.Damage) == 0 {
			fmt.Fprintf(&b, "  %s: %d objects, %d blocks, no damage\n", quoted(one.Name), one.Objects, one.Blocks)
		}
		for _, damage := range one.Damage {
			fmt.Fprintf(&b, "%s %s: %s\n", t.trouble(true), quoted(one.Name), damage)
		}
	}
	return b.String()
}

// check walks the bookkeeping, and reads each object.
func (t *tool) check(s *inspect.Segment) (checked, error) {
	one := checked{Name: s.Name, Path: s.Path, Damage: []string{}}
	r, err := s.Check()
	switch {
	case errors.Is(err, segment.ErrCorrupt):
		one.Damage = append(one.Damage, err.Error())
	case err != nil:
		return one, err
	}
	one.Objects, one.Blocks, one.Orphans = r.Objects+r.Unnamed, r.Blocks, r.Orphans
	for o, err := range s.All(describe.Want{Elements: 1}) {
		if err != nil {
			return one, err
		}
		if o.Error != "" && !o.Moved {
			one.Damage = append(one.Damage, fmt.Sprintf("%s %q: %s", o.Kind, o.Name, o.Error))
		}
	}
	t.bad = t.bad || len(one.Damage) > 0
	return one, nil
}
