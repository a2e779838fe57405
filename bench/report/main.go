// Command report measures the toolkit beside its peers, and draws what it has measured.
//
//	go run ./bench/report            # from the root of the toolkit: ten turns, some 20 minutes
//	go run ./bench/report -quick     # two turns, under five minutes
//	go run ./bench/report -draw      # draws again what bench/report/data has
//	go run ./bench/report -readme    # puts the figures of bench/report/data into README.md
//
// It writes bench/REPORT.md, and beside this file the pictures, as SVG and PNG, and their data, as
// CSV. It is a module of its own, so that users of the toolkit do not download what draws.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	quick := flag.Bool("quick", false, "measure two turns only")
	number := flag.Int("turns", 10, "how often everything is measured")
	draw := flag.Bool("draw", false, "measure nothing: draw what data has")
	readme := flag.Bool("readme", false, "measure nothing: put the figures of data into README.md")
	root := flag.String("root", ".", "the root of the toolkit")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *quick {
		*number = 2
	}
	if err := run(*root, *number, *draw, *readme); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run makes the report, or a part of it. Its files lie below root.
func run(root string, turns int, draw, readme bool) error {
	dir := filepath.Join(root, "bench", "report")
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return fmt.Errorf("%s is not the root of the toolkit: run it there, or name it by -root: %w", root, err)
	}
	if !draw && !readme {
		m, samples, err := measure(root, turns)
		if err != nil {
			return err
		}
		if err := save(filepath.Join(dir, "data"), m, pointsOf(samples)); err != nil {
			return err
		}
	}
	m, points, err := load(filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	if readme {
		return writeFigures(filepath.Join(root, "README.md"), m, points)
	}
	for _, p := range pictures {
		if err := p.draw(filepath.Join(dir, "pictures"), points[p.name]); err != nil {
			return fmt.Errorf("picture %s: %w", p.name, err)
		}
	}
	return os.WriteFile(filepath.Join(root, "bench", "REPORT.md"), []byte(text(m, points)), 0o644)
}
