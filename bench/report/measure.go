package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// A result is one row of the benchmarks: RoundTrip with kind=spsc and so on, and its figures by
// their units.
type result struct {
	base   string
	keys   map[string]string
	values map[string]float64
}

// measure runs the benchmarks of all pictures, turn after turn, so that other work of the machine
// hits all of them alike.
func measure(root string, turns int) (m machine, samples []sample, err error) {
	dir, err := os.MkdirTemp("", "report-*")
	if err != nil {
		return m, nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bench.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "./bench")
	build.Dir, build.Env = root, append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return m, nil, fmt.Errorf("build the benchmarks: %w\n%s", err, out)
	}
	m = thisMachine(root, turns)
	for turn := range turns {
		for _, p := range pictures {
			fmt.Fprintf(os.Stderr, "turn %d of %d: %s\n", turn+1, turns, p.name)
			for _, r := range p.runs {
				out, err := runBench(binary, filepath.Join(root, "bench"), r)
				if err != nil {
					return m, nil, fmt.Errorf("%s: %w", r.pattern, err)
				}
				results, missing, err := parse(out)
				if err != nil {
					return m, nil, err
				}
				m.addMissing(missing)
				for _, res := range results {
					for _, s := range p.read(res) {
						s.picture = p.name
						samples = append(samples, s)
					}
				}
			}
		}
	}
	return m, samples, nil
}

// runBench returns what a run of the benchmarks prints.
func runBench(binary, dir string, r benchRun) ([]byte, error) {
	cmd := exec.Command(binary, "-test.run=^$", "-test.bench="+r.pattern, "-test.benchtime="+r.time, "-quantiles", "-test.timeout=30m")
	cmd.Dir = dir
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s%s", err, &out, &stderr)
	}
	return out.Bytes(), nil
}

// parse reads rows, and the lines that say which rows are missing.
func parse(out []byte) (results []result, missing []string, err error) {
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "no row") {
			missing = append(missing, strings.TrimSpace(line))
		}
	}
	reader := benchfmt.NewReader(bytes.NewReader(out), "bench")
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.Result:
			results = append(results, resultOf(record))
		case *benchfmt.SyntaxError:
			return nil, nil, record
		}
	}
	if err := reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	return results, missing, nil
}

// resultOf takes the name of a row apart. What has no key, such as the number of processors at the
// end, is left out.
func resultOf(record *benchfmt.Result) result {
	base, parts := record.Name.Parts()
	r := result{base: string(base), keys: map[string]string{}, values: map[string]float64{}}
	for _, part := range parts {
		if key, value, ok := strings.Cut(strings.TrimPrefix(string(part), "/"), "="); ok {
			r.keys[key] = value
		}
	}
	for _, v := range record.Values {
		value, unit := v.Value, v.Unit
		if v.OrigUnit != "" { // the reader makes seconds of nanoseconds
			value, unit = v.OrigValue, v.OrigUnit
		}
		r.values[unit] = value
	}
	return r
}

// addMissing notes what could not be measured, once.
func (m *machine) addMissing(lines []string) {
	for _, line := range lines {
		if !slices.Contains(m.Missing, line) {
			m.Missing = append(m.Missing, line)
		}
	}
}
