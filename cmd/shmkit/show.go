package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

// A shown segment is one with its objects, for JSON.
type shown struct {
	*inspect.Segment
	Objects []inspect.Object `json:"objectList"`
}

func (t *tool) showCommand() *cobra.Command {
	want := describe.Want{Elements: 16}
	types, raw, span := false, false, ""
	c := &cobra.Command{
		Use:               "show SEGMENT [OBJECT…]",
		Short:             "Show a segment, its objects and what they hold",
		Example:           "  shmkit show visits\n  shmkit show visits orders -peek 3",
		Args:              needs(1, -1, "show needs the name of a segment"),
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := t.bounded(c)
			defer cancel()
			if err := setRange(&want, span); err != nil {
				return err
			}
			v, s, err := t.lookAtOne(ctx, args[0])
			if err != nil {
				return err
			}
			defer v.close()
			all, err := objects(ctx, s, args[1:], want)
			if err != nil {
				return err
			}
			if t.json {
				return t.writeJSON("show", answer{Segments: []shown{{s, orEmpty(all)}}, Skipped: v.skipped})
			}
			if len(args) == 1 {
				if err := t.printf("%s", t.segmentText(s)); err != nil {
					return err
				}
			}
			for _, o := range all {
				if err := t.printf("%s", t.objectText(&o, types)); err != nil {
					return err
				}
				if raw {
					if err := t.hexDump(s, &o); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&types, "type", false, "show the element type as PEP 3118 writes it, too")
	c.Flags().BoolVar(&raw, "hex", false, "show the first bytes of the payload")
	c.Flags().IntVarP(&want.Elements, "count", "n", want.Elements, "how many elements or entries to show")
	c.Flags().IntVar(&want.Messages, "peek", 0, "how many of the oldest messages of a queue to show")
	c.Flags().StringVar(&span, "range", "", "which elements to show: FROM:TO")
	return c
}

// setRange has the elements from FROM up to TO shown.
func setRange(want *describe.Want, text string) error {
	if text == "" {
		return nil
	}
	from, to, _ := strings.Cut(text, ":")
	low, err := strconv.ParseInt(from, 10, 64)
	high, highErr := strconv.ParseInt(to, 10, 64)
	if err != nil || highErr != nil || low < 0 || high < low || high-low > 1<<30 {
		return usageError{fmt.Errorf("-range %q: must be FROM:TO, two numbers", text)}
	}
	want.From, want.Elements = low, int(high-low)
	return nil
}

func (t *tool) segmentText(s *inspect.Segment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", s.Kind, quoted(s.Path))
	fmt.Fprintf(&b, "  identity %s, format %d\n", s.Identity, s.Format)
	fmt.Fprintf(&b, "  %s, of which %s take memory and %s are free\n", size(s.SizeBytes), size(s.ReservedBytes), size(s.FreeBytes))
	fmt.Fprintf(&b, "  %d of %d objects, %d removed or without a name\n", s.Objects, s.MaxObjects, s.Removed)
	fmt.Fprintf(&b, "  %d of %d processes, %d ended; %d waits\n", s.Living, s.MaxProcesses, s.Ended, s.Waits)
	fmt.Fprintf(&b, "  deaths %d, takeovers %d, repairs of the directory %d\n", s.Deaths, s.Takeovers, s.Rebuilds)
	for _, i := range s.Incidents {
		fmt.Fprintf(&b, "    %s ago: %s\n", span(t.time().Sub(i.Time)), i)
	}
	for _, trouble := range s.Trouble {
		fmt.Fprintf(&b, "%s %s\n", t.trouble(true), trouble)
	}
	return b.String()
}

// objectText is an object in a line, with what it holds in the next ones.
func (t *tool) objectText(o *inspect.Object, types bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q", o.Kind, o.Name)
	if o.GoType != "" {
		fmt.Fprintf(&b, " of %s", quoted(o.GoType))
	}
	fmt.Fprintf(&b, ", %s, open in %d processes", size(o.Bytes), len(o.OpenBy))
	if o.Moved {
		b.WriteString(" ~")
	}
	b.WriteByte('\n')
	if types && o.Type != "" {
		fmt.Fprintf(&b, "  type %s\n", quoted(o.Type))
	}
	if o.Error != "" {
		fmt.Fprintf(&b, "%s %s\n", t.trouble(true), o.Error)
	}
	if len(o.Facts) > 0 {
		b.WriteString("  " + list(o.Facts, func(f describe.Fact) string { return f.Name + " " + plain(f.Value) }) + "\n")
	}
	if o.RawValue != nil {
		b.WriteString(valueText(o))
	}
	return b.String()
}

func valueText(o *inspect.Object) string {
	more := ""
	if o.Cut {
		more = ", …"
	}
	all, isList := o.RawValue.([]any)
	if !isList {
		return "  = " + value(o.RawValue) + more + "\n"
	}
	var b strings.Builder
	for _, one := range all {
		switch one.(type) {
		case describe.Entry, describe.Facts:
			b.WriteString("  " + value(one) + "\n")
		}
	}
	if b.Len() > 0 || len(all) == 0 && more == "" {
		return b.String()
	}
	return "  = [" + list(all, value) + more + "]\n"
}

// dumpedBytes is how much of a payload is shown in hexadecimal digits.
const dumpedBytes = 256

func (t *tool) hexDump(s *inspect.Segment, o *inspect.Object) error {
	mem := make([]byte, min(o.Bytes, dumpedBytes))
	if _, err := s.ReadAt(mem, int64(o.Offset)); err != nil {
		return err
	}
	return t.printf("%s", hex.Dump(mem))
}

// complete completes the names of segments, and then of objects.
func (t *tool) complete(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := t.bounded(c)
	defer cancel()
	var names []string
	if len(args) == 0 {
		v, err := t.look(ctx, nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer v.close()
		for _, s := range v.segments {
			names = append(names, s.Name)
		}
		return names, cobra.ShellCompDirectiveDefault
	}
	v, s, err := t.lookAtOne(ctx, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer v.close()
	all, _ := objects(ctx, s, nil, describe.Want{})
	for _, o := range all {
		names = append(names, o.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
