package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

// A member is a process with what it has to do with the segment.
type member struct {
	inspect.Process
	Holds    []string `json:"holds"`
	WaitsFor []string `json:"waitsFor"`
	Open     []string `json:"open"` // the objects that it has open
}

// A populated segment is one with its processes, for JSON.
type populated struct {
	*inspect.Segment
	Processes []member `json:"processList"`
}

func (t *tool) psCommand() *cobra.Command {
	all := false
	c := &cobra.Command{
		Use:               "ps [SEGMENT…]",
		Short:             "List the processes of segments",
		Example:           "  shmkit ps\n  shmkit ps visits -a",
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			return t.onView(c, args, func(_ context.Context, v *view) error {
				found := []populated{}
				for _, s := range v.segments {
					members, err := membersOf(s, all)
					if err != nil {
						v.skip(s, err)
					}
					if len(members) > 0 || len(args) > 0 {
						found = append(found, populated{s, orEmpty(members)})
					}
				}
				return t.write("ps", answer{Segments: found, Skipped: v.skipped}, func() string { return t.processTable(found) })
			})
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "also those that have ended")
	return c
}

func membersOf(s *inspect.Segment, dead bool) (members []member, err error) {
	members, bySlot := processesOf(s, dead)
	for o, err := range s.All(describe.Want{Bare: true}) {
		if err != nil {
			return members, err
		}
		bySlot.add(&o)
	}
	return members, nil
}

// membersBySlot are the members of a segment by their slots.
type membersBySlot map[int]*member

// processesOf are the members of a segment, and what they wait for.
func processesOf(s *inspect.Segment, dead bool) (members []member, bySlot membersBySlot) {
	bySlot = membersBySlot{}
	for _, p := range s.Processes() {
		if p.Living || dead {
			members = append(members, member{Process: p, Holds: []string{}, WaitsFor: []string{}, Open: []string{}})
		}
	}
	for i := range members {
		bySlot[members[i].Slot] = &members[i]
	}
	for _, w := range s.WaitList() {
		if m := bySlot[w.Process.Slot]; m != nil {
			m.WaitsFor = append(m.WaitsFor, fmt.Sprintf("%s %q", w.Kind, w.Object))
		}
	}
	return members, bySlot
}

// add notes which members have an object open, and which of them hold it.
func (bySlot membersBySlot) add(o *inspect.Object) {
	for _, slot := range o.OpenBy {
		if m := bySlot[slot]; m != nil {
			m.Open = append(m.Open, o.Name)
		}
	}
	for _, name := range holderFacts {
		held, _ := o.Facts.Get(name)
		for _, p := range processesIn(held) {
			if m := bySlot[p.Slot]; m != nil && p.Living {
				m.Holds = append(m.Holds, fmt.Sprintf("%s %q", o.Kind, o.Name))
			}
		}
	}
}

// holderFacts are the facts that name processes which hold an object, so that others wait.
var holderFacts = []string{"owner", "owners", "readerProcesses", "holders", "debtors", "writing", "reading"}

func processesIn(fact any) []describe.Process {
	switch v := fact.(type) {
	case describe.Process:
		return []describe.Process{v}
	case []describe.Process:
		return v
	}
	return nil
}

func (t *tool) processTable(all []populated) string {
	w := newTable()
	w.row(" ", "SEGMENT", "PID", "PROGRAM", "STATE", "SINCE", "OPEN", "HOLDS", "WAITS FOR")
	for _, s := range all {
		for _, m := range s.Processes {
			since := "-"
			if !m.Attached.IsZero() {
				since = span(t.time().Sub(m.Attached))
			}
			w.row(t.trouble(m.Living && m.State == "stopped"), quoted(s.Name), fmt.Sprint(m.PID), quoted(m.Program), m.State, since,
				fmt.Sprint(len(m.Open)), few(m.Holds), few(m.WaitsFor))
		}
	}
	return w.String()
}

// few are the first of some names.
func few(names []string) string {
	const most = 3
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if text == "" {
		return "-"
	}
	return text
}
