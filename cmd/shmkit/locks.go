package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

// A blocked segment is one with its waits, for JSON.
type blocked struct {
	*inspect.Segment
	Waits    []inspect.Wait   `json:"waitList"`
	Cycles   [][]inspect.Wait `json:"cycleList"`
	Orphaned []string         `json:"waitForRepair"` // locks that a dead process has left
}

func (t *tool) locksCommand() *cobra.Command {
	least := time.Duration(0)
	watch := time.Duration(0)
	c := &cobra.Command{
		Use:               "locks [SEGMENT…]",
		Short:             "Show which processes wait for each other; exit code 1 for a cycle or a lock that a dead process has left",
		Example:           "  shmkit locks\n  shmkit locks scene -min 1s",
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			for {
				if err := t.locks(c, args, least); err != nil || watch <= 0 {
					return err
				}
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(watch):
				}
			}
		},
	}
	c.Flags().DurationVar(&least, "min", 0, "leave out shorter waits")
	c.Flags().DurationVar(&watch, "watch", 0, "show them again and again, at this interval")
	return c
}

func (t *tool) locks(c *cobra.Command, args []string, least time.Duration) error {
	return t.onView(c, args, func(_ context.Context, v *view) error {
		found := []blocked{}
		for _, s := range v.segments {
			b := blocked{Segment: s, Waits: []inspect.Wait{}, Cycles: s.CycleList(), Orphaned: orphaned(s)}
			for _, w := range s.WaitList() {
				if t.time().Sub(w.Since) >= least {
					b.Waits = append(b.Waits, w)
				}
			}
			t.bad = t.bad || len(b.Cycles) > 0 || len(b.Orphaned) > 0
			if len(args) > 0 || len(b.Waits) > 0 || len(b.Orphaned) > 0 {
				b.Cycles = orEmpty(b.Cycles)
				found = append(found, b)
			}
		}
		return t.write("locks", answer{Segments: found, Skipped: v.skipped}, func() string { return t.locksText(found) })
	})
}

// orphaned are the locks that wait for repair.
func orphaned(s *inspect.Segment) []string {
	names := []string{}
	for o, err := range s.All(describe.Want{}) {
		if err != nil {
			break
		}
		if _, waits := o.Facts.Get("waitsForRepair"); waits {
			names = append(names, fmt.Sprintf("%s %q", o.Kind, o.Name))
		}
	}
	return names
}

// locksText begins with what keeps all others waiting.
func (t *tool) locksText(all []blocked) string {
	var b strings.Builder
	for _, s := range all {
		for _, cycle := range s.Cycles {
			fmt.Fprintf(&b, "%s %s: a cycle of %d\n", t.trouble(true), quoted(s.Name), len(cycle))
			for _, w := range cycle {
				fmt.Fprintf(&b, "    %s\n", t.waitText(w))
			}
		}
		for _, name := range s.Orphaned {
			fmt.Fprintf(&b, "%s %s: %s was left by a process that died: the next to lock it is told so, and repairs it\n", t.trouble(true), quoted(s.Name), name)
		}
		t.rootBlockers(&b, s)
	}
	if b.Len() == 0 {
		return "no process waits\n"
	}
	return b.String()
}

// rootBlockers shows the processes that wait for nothing, with those that wait for them, and then
// the waits that no process ends by itself.
func (t *tool) rootBlockers(b *strings.Builder, s blocked) {
	waiting, behind := map[int]bool{}, map[int][]inspect.Wait{}
	var others []inspect.Wait
	for _, w := range s.Waits {
		waiting[w.Process.Slot] = true
		if len(w.Holders) == 0 {
			others = append(others, w)
		}
		for _, h := range w.Holders {
			behind[h.Slot] = append(behind[h.Slot], w)
		}
	}
	for _, p := range s.Processes() {
		if len(behind[p.Slot]) == 0 || waiting[p.Slot] {
			continue
		}
		fmt.Fprintf(b, "%s %s: %s, %s, keeps %d waiting\n", t.trouble(p.State == "stopped"), quoted(s.Name), p.Process, p.State, len(behind[p.Slot]))
		t.waitTree(b, behind, p.Slot, 1, map[int]bool{p.Slot: true})
	}
	for _, w := range others {
		fmt.Fprintf(b, "  %s: %s\n", quoted(s.Name), t.waitText(w))
	}
}

// waitTree shows the waits for a process, and those for the processes that wait.
func (t *tool) waitTree(b *strings.Builder, behind map[int][]inspect.Wait, slot, depth int, seen map[int]bool) {
	for _, w := range behind[slot] {
		fmt.Fprintf(b, "  %s%s\n", strings.Repeat("  ", depth), t.waitText(w))
		if !seen[w.Process.Slot] {
			seen[w.Process.Slot] = true
			t.waitTree(b, behind, w.Process.Slot, depth+1, seen)
		}
	}
}

func (t *tool) waitText(w inspect.Wait) string {
	return fmt.Sprintf("%s waits %s for %s", w.Process.Process, span(t.time().Sub(w.Since)), w)
}
