package main

import (
	"fmt"
	"os"
	"strings"
)

// text is the report.
func text(m machine, points map[string][]point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\n")
	fmt.Fprintf(&b, "Measured on %s, at %s, by `go run ./bench/report`: %d turns, in each of which\neverything is measured once. "+
		"Lines are medians, bars quartiles.\n\n", m.Day, m.Commit, m.Turns)
	fmt.Fprintf(&b, "| | |\n|---|---|\n| processor | %s; %d of them |\n| kernel | %s |\n| Go | %s |\n| C | %s |\n| Python | %s |\n\n",
		m.Processor, m.Processors, m.Kernel, m.Go, m.Compiler, m.Python)
	for _, p := range pictures {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", p.title, wrap(p.caption))
		fmt.Fprintf(&b, "![%s](report/pictures/%s.svg)\n\n", p.title, p.name)
		fmt.Fprintf(&b, "[PNG](report/pictures/%s.png) · [CSV](report/data/%s.csv)\n\n", p.name, p.name)
		for _, pan := range p.panels {
			b.WriteString(table(p, pan, points[p.name]))
		}
	}
	if len(m.Missing) > 0 {
		b.WriteString("## Not measured\n\n")
		for _, line := range m.Missing {
			fmt.Fprintf(&b, "%s\n", wrap("- "+line))
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// table has a row for each series and a column for each place on the first axis.
func table(p picture, pan panel, points []point) string {
	var xs []float64
	var series []string
	values := map[string]map[float64]string{}
	for _, q := range points {
		if q.panel != pan.name {
			continue
		}
		xs = addOnce(xs, q.x)
		series = addOnce(series, q.series)
		if values[q.series] == nil {
			values[q.series] = map[float64]string{}
		}
		values[q.series][q.x] = figure(q.y)
	}
	first, unit := pan.x, pan.y
	if pan.time {
		unit += ", ns"
	}
	if p.name == "recovery" { // its places are percentiles, and its figures times
		first = pan.x + ", by % of deaths"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s: %s |", unit, first)
	for _, x := range xs {
		fmt.Fprintf(&b, " %s |", pan.label(x))
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(xs)) + "\n")
	for _, name := range seriesOrder {
		if values[name] == nil {
			continue
		}
		fmt.Fprintf(&b, "| %s |", name)
		for _, x := range xs {
			fmt.Fprintf(&b, " %s |", values[name][x])
		}
		b.WriteString("\n")
	}
	return b.String() + "\n"
}

// label is what a place on the first axis is called.
func (pan panel) label(x float64) string {
	for _, t := range pan.ticksX {
		if t.at == x {
			return t.label
		}
	}
	if len(pan.ticksX) > 0 && pan.ticksX[0] == nines[0] {
		return fmt.Sprintf("%.4g", 100-100/x)
	}
	return fmt.Sprintf("%.4g", x)
}

// addOnce keeps xs sorted.
func addOnce[T float64 | string](xs []T, x T) []T {
	for i, y := range xs {
		if y == x {
			return xs
		}
		if y > x {
			return append(xs[:i], append([]T{x}, xs[i:]...)...)
		}
	}
	return append(xs, x)
}

// figure has three digits.
func figure(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x == 0:
		return "0"
	}
	return fmt.Sprintf("%.3g", x)
}

// wrap breaks a paragraph at 100 columns.
func wrap(paragraph string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(paragraph) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case column+1+n > 100:
			b.WriteString("\n")
			column = 0
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// The heading of README's figures, after which they are written anew up to the end of the file.
const figuresHeading = "## Figures\n"

// writeFigures puts the figures into README.md.
func writeFigures(path string, m machine, points map[string][]point) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, _, ok := strings.Cut(string(old), figuresHeading)
	if !ok {
		return fmt.Errorf("%s has no heading %q", path, strings.TrimSpace(figuresHeading))
	}
	return os.WriteFile(path, []byte(before+figuresHeading+wrap(figures(m, points))+"\n"), 0o644)
}

// figures is the paragraph of README.md.
func figures(m machine, points map[string][]point) string {
	at := func(picture, panel, series string, x float64) string {
		for _, p := range points[picture] {
			if p.panel == panel && p.series == series && p.x == x {
				return figure(p.y)
			}
		}
		return "?"
	}
	trip := func(panel, series string) string { return at("roundtrip", panel, series, 2) }
	return fmt.Sprintf("[The report](bench/REPORT.md) has six pictures, each beside its peers; `go run ./bench/report` makes it anew. "+
		"%d processors (%s), medians. 64 bytes there and back, ns, spinning: `SPSC` %s, `Queue` %s, `Pipe` %s (C by hand %s); asleep: %s, %s, %s "+
		"(C %s, unix socket %s). Lock, increment and unlock by two processes: %s ns (glibc, robust: %s). A pool's tasks of 100 µs: %s %% of the "+
		"workers' time (Python's Pool: %s %%). After a SIGKILL the next holder has the lock in %s ms, and the task's result is there in %s ms.",
		m.Processors, m.Processor, trip("spin", "SPSC"), trip("spin", "Queue"), trip("spin", "Pipe"), trip("spin", "C, by hand"),
		trip("asleep", "SPSC"), trip("asleep", "Queue"), trip("asleep", "Pipe"), trip("asleep", "C, by hand"), trip("asleep", "unix socket"),
		at("lock", "all", "Mutex", 2), at("lock", "all", "glibc, robust", 2), at("pool", "all", "Pool", 100), at("pool", "all", "Python Pool", 100),
		at("recovery", "all", "lock: Mutex", 50), at("recovery", "all", "task: Pool", 50))
}
