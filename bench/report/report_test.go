package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rows are some lines of the benchmarks, as they print them.
const rows = `goos: linux
goarch: amd64
BenchmarkRoundTrip/kind=spsc/payload=64B/wait=spin/impl=shmkit-2  100  206 ns/op  190 min-ns  200 q50-ns  400 q99-ns  150 q10-ns
BenchmarkThroughput/payload=1KiB/impl=shmkit-pipe-2  100  500 ns/op  2048 MB/s
BenchmarkLockCrowd/procs=4/impl=glibc-robust-2  100  80.5 ns/op
no row BenchmarkRecoverAfterKill/impl=python: it never gets the lock
BenchmarkMapLength/length=1ms/impl=local-2  100  500000 ns/op  99 efficiency-%
BenchmarkRecoverAfterKill/impl=shmkit-2  20  300000 ns/op  300000 q50-ns  900000 q90-ns
BenchmarkFlat/objects=1000/op=lock-2  100  6 ns/op
PASS
`

// TestParse reads rows, and finds the sample of each for its picture.
func TestParse(t *testing.T) {
	results, missing, err := parse([]byte(rows))
	if err != nil || len(results) != 6 || len(missing) != 1 {
		t.Fatalf("%d results, missing %q, %v", len(results), missing, err)
	}
	want := [][]sample{
		{{panel: "spin", series: "SPSC", x: 2, y: 200}, {panel: "spin", series: "SPSC", x: 100, y: 400}},
		{{panel: "all", series: "Pipe", x: 1024, y: 2048}},
		{{panel: "all", series: "glibc, robust", x: 4, y: 80.5}},
		{{panel: "all", series: "goroutines", x: 1000, y: 99}},
		{{panel: "all", series: "lock: Mutex", x: 50, y: 0.3}, {panel: "all", series: "lock: Mutex", x: 90, y: 0.9}},
		{{panel: "objects", series: "Lock, Unlock", x: 1000, y: 6}},
	}
	for i, p := range pictures {
		got := p.read(results[i])
		slices.SortFunc(got, func(a, b sample) int { return int(a.y*10 - b.y*10) })
		if !slices.Equal(got, want[i]) {
			t.Errorf("picture %s: %+v, want %+v", p.name, got, want[i])
		}
	}
}

// TestPoints joins the samples of five turns.
func TestPoints(t *testing.T) {
	var samples []sample
	for _, y := range []float64{5, 1, 4, 2, 3} {
		samples = append(samples, sample{"lock", "all", "Mutex", 2, y})
	}
	got := pointsOf(samples)["lock"]
	if want := []point{{"all", "Mutex", 2, 3, 2, 4}}; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestSeriesHaveLooks fails for a series that would not be drawn.
func TestSeriesHaveLooks(t *testing.T) {
	for _, series := range seriesOrder {
		if _, ok := looks[series]; !ok {
			t.Errorf("series %q has no look", series)
		}
	}
	if len(looks) != len(seriesOrder) {
		t.Errorf("%d looks for %d series", len(looks), len(seriesOrder))
	}
}

// TestReport draws the report of the data that lies in the tree, in another directory.
func TestReport(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "bench", "report")
	if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS("data")); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{filepath.Join(dir, "go.mod"): "", filepath.Join(root, "README.md"): "# Name\n\n## Figures\nfigures of before\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(root, 0, true, false); err != nil {
		t.Fatal(err)
	}
	if err := run(root, 0, false, true); err != nil {
		t.Fatal(err)
	}
	report := read(t, filepath.Join(root, "bench", "REPORT.md"))
	for _, p := range pictures {
		svg := read(t, filepath.Join(dir, "pictures", p.name+".svg"))
		for _, pan := range p.panels {
			if !pan.tableOnly && (!strings.Contains(svg, pan.x) || !strings.Contains(svg, pan.y)) {
				t.Errorf("picture %s lacks the label of an axis", p.name)
			}
		}
		if !strings.Contains(report, "(report/pictures/"+p.name+".svg)") {
			t.Errorf("the report lacks picture %s", p.name)
		}
		image, err := png.Decode(bytes.NewReader([]byte(read(t, filepath.Join(dir, "pictures", p.name+".png")))))
		if err != nil {
			t.Fatal(err)
		}
		if size := image.Bounds().Size(); size.X < 900 || size.Y < 600 {
			t.Errorf("picture %s has %v pixels", p.name, size)
		}
	}
	readme := read(t, filepath.Join(root, "README.md"))
	if strings.Contains(readme, "before") || strings.Contains(readme, "?") || !strings.Contains(readme, "REPORT.md") {
		t.Errorf("README.md has the figures\n%s", readme)
	}
}

// TestReportIsCurrent fails when the committed report is not what its data make.
func TestReportIsCurrent(t *testing.T) {
	m, points, err := load("data")
	if err != nil {
		t.Fatal(err)
	}
	if want := text(m, points); read(t, filepath.Join("..", "REPORT.md")) != want {
		t.Error("bench/REPORT.md is old: go run ./bench/report -draw")
	}
	for _, p := range pictures {
		if len(points[p.name]) == 0 {
			t.Errorf("picture %s has no data", p.name)
		}
		for _, q := range points[p.name] {
			if looks[q.series].glyph == nil {
				t.Errorf("picture %s: series %q has no look", p.name, q.series)
			}
		}
	}
}

// TestNoRoot says where the program is to be run.
func TestNoRoot(t *testing.T) {
	err := run(t.TempDir(), 0, true, false)
	if err == nil || !strings.Contains(err.Error(), "-root") {
		t.Errorf("%v", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
