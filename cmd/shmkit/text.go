package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/elem"
)

// quoted is s as a terminal can be trusted with it.
func quoted(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// size is a number of bytes for people.
func size[N int | int64 | uint64](n N) string {
	f, unit := float64(n), 0
	for f >= 1024 && unit < 5 {
		f /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	digits := 0
	if f < 10 && f != float64(int64(f)) {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}[unit]
}

// span is a time for people.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d m", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// value is a value as text.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strconv.Quote(v)
	case []byte:
		return hex.EncodeToString(v)
	case describe.Encoded:
		return diagnostic(v)
	case describe.Process:
		return v.String()
	case []describe.Process:
		if len(v) == 0 {
			return "none"
		}
		return list(v, func(p describe.Process) string { return p.String() })
	case []any:
		return "[" + list(v, value) + "]"
	case elem.Struct:
		return "{" + list(v, func(m elem.Member) string { return m.Name + ": " + value(m.Value) }) + "}"
	case describe.Entry:
		return value(v.Key) + ": " + value(v.Value)
	case describe.Facts:
		return list(v, func(f describe.Fact) string { return f.Name + " " + plain(f.Value) })
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

// plain is value without quotes around text that needs none.
func plain(v any) string {
	if s, ok := v.(string); ok {
		return quoted(s)
	}
	return value(v)
}

func list[T any](all []T, text func(T) string) string {
	parts := make([]string, len(all))
	for i, one := range all {
		parts[i] = text(one)
	}
	return strings.Join(parts, ", ")
}

// A table is text in columns.
type table struct {
	w *tabwriter.Writer
	b strings.Builder
}

func newTable() *table {
	t := new(table)
	t.w = tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', tabwriter.StripEscape)
	return t
}

// row adds a row; the first cell is a mark.
func (t *table) row(mark string, cells ...string) {
	if mark != " " { // its colours take no room
		mark = "\xff" + mark + "\xff"
	}
	fmt.Fprintf(t.w, "%s %s\n", mark, strings.Join(cells, "\t"))
}

func (t *table) String() string {
	t.w.Flush()
	var b strings.Builder
	for line := range strings.Lines(t.b.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
