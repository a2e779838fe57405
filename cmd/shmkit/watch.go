package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

// A watcher shows objects again and again.
type watcher struct {
	t        *tool
	segment  string
	names    []string
	interval time.Duration
	count    int
	until    *condition
	last     string
}

func (t *tool) watchCommand() *cobra.Command {
	w := watcher{t: t, interval: time.Second}
	until := ""
	c := &cobra.Command{
		Use:               "watch SEGMENT OBJECT…",
		Short:             "Show objects again whenever they have changed; exit code 1 if -until was not reached",
		Example:           "  shmkit watch orders queue -d 1s\n  shmkit watch orders queue -until messages==0 -timeout 1m",
		Args:              needs(2, -1, "watch needs the name of a segment, and of an object"),
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) (err error) {
			w.segment, w.names = args[0], args[1:]
			if w.until, err = parseCondition(until); err != nil {
				return err
			}
			ctx := c.Context()
			if w.until != nil || c.Flags().Changed("timeout") {
				var cancel context.CancelFunc
				ctx, cancel = t.bounded(c)
				defer cancel()
			}
			return w.run(ctx)
		},
	}
	c.Flags().DurationVarP(&w.interval, "interval", "d", w.interval, "how often to look")
	c.Flags().IntVarP(&w.count, "count", "n", 0, "end after so many looks; 0: never")
	c.Flags().StringVar(&until, "until", "", "end when it is true: FACT==NUMBER, also with !=, <, <=, > and >=")
	return c
}

func (w *watcher) run(ctx context.Context) error {
	for n := 1; ; n++ {
		reached, err := w.look(ctx)
		switch {
		case err != nil && isTimeUp(ctx.Err()):
		case err != nil:
			return err
		case reached, n == w.count && w.until == nil:
			return nil
		case n == w.count:
			return errBad
		}
		select {
		case <-ctx.Done():
			if w.until != nil && isTimeUp(ctx.Err()) {
				return errBad
			}
			return nil
		case <-time.After(w.interval):
		}
	}
}

// look shows the objects, if something has changed, and reports whether the condition is true.
func (w *watcher) look(ctx context.Context) (reached bool, err error) {
	v, s, err := w.t.lookAtOne(ctx, w.segment)
	if err != nil {
		return false, err
	}
	defer v.close()
	all, err := objects(ctx, s, w.names, describe.Want{Elements: 16})
	if err != nil {
		return false, err
	}
	text := ""
	for _, o := range all {
		text += w.row(&o)
		reached = reached || w.until.isTrue(&o)
	}
	if text == w.last {
		return reached, nil
	}
	w.last = text
	if w.t.json {
		return reached, w.t.writeLine("watch", answer{Segments: []shown{{s, all}}})
	}
	return reached, w.t.printf("%s%s", w.t.time().UTC().Format(time.RFC3339)+"\n", text)
}

func (w *watcher) row(o *inspect.Object) string {
	text := fmt.Sprintf("  %s %q: %s", o.Kind, o.Name, list(o.Facts, func(f describe.Fact) string { return f.Name + " " + plain(f.Value) }))
	if o.RawValue != nil {
		text += " = " + value(o.RawValue)
	}
	return text + o.Error + "\n"
}

// A condition compares a fact with a number.
type condition struct {
	fact, operator string
	number         float64
}

func parseCondition(text string) (*condition, error) {
	if text == "" {
		return nil, nil
	}
	for _, operator := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if fact, number, ok := strings.Cut(text, operator); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil {
				break
			}
			return &condition{strings.TrimSpace(fact), operator, n}, nil
		}
	}
	return nil, usageError{fmt.Errorf("-until %q: must be FACT==NUMBER, or with another comparison", text)}
}

func (c *condition) isTrue(o *inspect.Object) bool {
	if c == nil {
		return false
	}
	fact, ok := o.Facts.Get(c.fact)
	if c.fact == "value" {
		fact, ok = o.RawValue, true
	}
	n, err := strconv.ParseFloat(fmt.Sprint(fact), 64)
	if !ok || err != nil {
		return false
	}
	switch c.operator {
	case "==":
		return n == c.number
	case "!=":
		return n != c.number
	case "<=":
		return n <= c.number
	case ">=":
		return n >= c.number
	case "<":
		return n < c.number
	}
	return n > c.number
}
