package main

import (
	"context"
	"fmt"
	"slices"
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

// A forest shows waits behind the processes that they are for.
type forest struct {
	t      *tool
	b      *strings.Builder
	behind map[int][]inspect.Wait // by the slot of the process that is waited for
	shown  map[wait]bool
}

// A wait tells one wait from others.
type wait struct {
	slot         int
	object, role string
	since        time.Time
}

func waitOf(w inspect.Wait) wait { return wait{w.Process.Slot, w.Object, w.Role, w.Since} }

// rootBlockers shows each process that is waited for, with all that waits behind it: first those
// that wait for nothing themselves, then those that wait for no process, such as for a message,
// then those that wait for themselves or behind a cycle. After them come the waits that no process
// ends by itself. So each wait is shown, those of the cycles above included.
func (t *tool) rootBlockers(b *strings.Builder, s blocked) {
	f := &forest{t: t, b: b, behind: map[int][]inspect.Wait{}, shown: map[wait]bool{}}
	for _, cycle := range s.Cycles {
		for _, w := range cycle {
			f.shown[waitOf(w)] = true
		}
	}
	ranks := map[int]int{}
	for _, w := range s.Waits {
		rank := 1
		for _, h := range w.Holders {
			f.behind[h.Slot] = append(f.behind[h.Slot], w)
			rank = 2
		}
		ranks[w.Process.Slot] = max(ranks[w.Process.Slot], rank)
	}
	for rank := range 3 {
		for _, p := range s.Processes() {
			if ranks[p.Slot] == rank && (rank == 0 && len(f.behind[p.Slot]) > 0 || f.hides(p.Slot)) {
				f.root(s.Name, p, rank > 0)
			}
		}
	}
	for _, w := range s.Waits {
		if !f.shown[waitOf(w)] {
			fmt.Fprintf(b, "  %s: %s\n", quoted(s.Name), t.waitText(w))
		}
	}
}

// hides reports whether a wait for the process of that slot is not shown yet.
func (f *forest) hides(slot int) bool {
	return slices.ContainsFunc(f.behind[slot], func(w inspect.Wait) bool { return !f.shown[waitOf(w)] })
}

// root shows a process with all that waits for it.
func (f *forest) root(segment string, p inspect.Process, waits bool) {
	waiters := f.behind[p.Slot]
	remark := ""
	if slices.ContainsFunc(waiters, func(w inspect.Wait) bool { return w.Process.Slot == p.Slot }) {
		remark = ", itself among them: another of its goroutines unlocks, or an Unlock is missing"
	} else if waits {
		remark = ", and waits itself"
	}
	fmt.Fprintf(f.b, "%s %s: %s, %s, keeps %d waiting%s\n", f.t.trouble(p.State == "stopped"), quoted(segment), p.Process, p.State, len(waiters), remark)
	f.tree(p.Slot, 1, map[int]bool{p.Slot: true})
}

// tree shows the waits for a process, and those for the processes that wait.
func (f *forest) tree(slot, depth int, seen map[int]bool) {
	for _, w := range f.behind[slot] {
		f.shown[waitOf(w)] = true
		fmt.Fprintf(f.b, "  %s%s\n", strings.Repeat("  ", depth), f.t.waitText(w))
		if !seen[w.Process.Slot] {
			seen[w.Process.Slot] = true
			f.tree(w.Process.Slot, depth+1, seen)
		}
	}
}

func (t *tool) waitText(w inspect.Wait) string {
	return fmt.Sprintf("%s waits %s for %s", w.Process.Process, span(t.time().Sub(w.Since)), w)
}
