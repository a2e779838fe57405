package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// A point is the median of the samples of all turns, and their quartiles.
type point struct {
	panel, series   string
	x, y, low, high float64
}

// pointsOf joins the samples of all turns, by picture.
func pointsOf(samples []sample) map[string][]point {
	type place struct {
		picture, panel, series string
		x                      float64
	}
	all := map[place][]float64{}
	for _, s := range samples {
		p := place{s.picture, s.panel, s.series, s.x}
		all[p] = append(all[p], s.y)
	}
	points := map[string][]point{}
	for p, ys := range all {
		slices.Sort(ys)
		points[p.picture] = append(points[p.picture], point{p.panel, p.series, p.x, quantile(ys, 0.5), quantile(ys, 0.25), quantile(ys, 0.75)})
	}
	for _, ps := range points {
		slices.SortFunc(ps, func(a, b point) int {
			return cmp.Or(cmp.Compare(a.panel, b.panel), cmp.Compare(a.series, b.series), cmp.Compare(a.x, b.x))
		})
	}
	return points
}

// quantile is the value below which a part q of sorted ys lies.
func quantile(ys []float64, q float64) float64 { return ys[int(q*float64(len(ys)-1)+0.5)] }

var columns = []string{"panel", "series", "x", "median", "lower quartile", "upper quartile"}

// save writes the points of each picture as CSV, and the machine as JSON.
func save(dir string, m machine, points map[string][]point) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "machine.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	for _, p := range pictures {
		if err := saveCSV(filepath.Join(dir, p.name+".csv"), points[p.name]); err != nil {
			return err
		}
	}
	return nil
}

func saveCSV(path string, points []point) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	rows := [][]string{columns}
	for _, p := range points {
		rows = append(rows, []string{p.panel, p.series, strconv.FormatFloat(p.x, 'g', -1, 64), decimal(p.y), decimal(p.low), decimal(p.high)})
	}
	err = w.WriteAll(rows)
	return cmp.Or(err, f.Close())
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

// load reads what save has written.
func load(dir string) (m machine, points map[string][]point, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "machine.json"))
	if err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, nil, fmt.Errorf("machine.json: %w", err)
	}
	points = map[string][]point{}
	for _, p := range pictures {
		if points[p.name], err = loadCSV(filepath.Join(dir, p.name+".csv")); err != nil {
			return m, nil, err
		}
	}
	return m, points, nil
}

func loadCSV(path string) (points []point, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || !slices.Equal(rows[0], columns) {
		return nil, fmt.Errorf("%s: its columns are not %q", path, columns)
	}
	for i, row := range rows[1:] {
		var n [4]float64
		for k := range n {
			if n[k], err = strconv.ParseFloat(row[2+k], 64); err != nil {
				return nil, fmt.Errorf("%s: line %d: %w", path, i+2, err)
			}
		}
		points = append(points, point{row[0], row[1], n[0], n[1], n[2], n[3]})
	}
	return points, nil
}
