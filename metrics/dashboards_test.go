package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// operate is where the documents for operators lie.
var operate = filepath.Join("..", "docs", "operate")

// metricName finds names of metrics in expressions and tables.
var metricName = regexp.MustCompile(`shmkit_[a-z_]+`)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(operate, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// knownNames are the names of all families.
func knownNames() (names []string) {
	for _, f := range families {
		names = append(names, f.name)
	}
	return names
}

// TestDashboardNames fails for a metric in the dashboard or in an alert that is not exported.
func TestDashboardNames(t *testing.T) {
	for _, name := range []string{"grafana.json", "alerts.yml"} {
		used := metricName.FindAllString(read(t, name), -1)
		if len(used) == 0 {
			t.Errorf("%s names no metric", name)
		}
		for _, metric := range used {
			metric = strings.TrimSuffix(metric, "_bucket") // of a histogram
			if !slices.Contains(knownNames(), metric) {
				t.Errorf("%s names %s, which is not exported", name, metric)
			}
		}
	}
}

// TestTable compares the table of the document with what is exported.
func TestTable(t *testing.T) {
	var rows []string
	for line := range strings.Lines(read(t, "metrics.md")) {
		if name, ok := strings.CutPrefix(line, "| `shmkit_"); ok {
			name, _, _ = strings.Cut(name, "`")
			rows = append(rows, "shmkit_"+name)
		}
	}
	for _, name := range knownNames() {
		if !slices.Contains(rows, name) {
			t.Errorf("metrics.md lacks %s", name)
		}
	}
	for _, name := range rows {
		if !slices.Contains(knownNames(), name) {
			t.Errorf("metrics.md has %s, which is not exported", name)
		}
	}
}

// TestDashboard reads the dashboard: each panel has a title and an expression.
func TestDashboard(t *testing.T) {
	var board struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, p := range board.Panels {
		switch {
		case p.Type == "row":
			rows++
		case p.Title == "" || len(p.Targets) == 0 || p.Targets[0].Expr == "":
			t.Errorf("a panel without a title or an expression: %+v", p)
		}
	}
	if rows != 5 {
		t.Errorf("%d rows, want 5", rows)
	}
}

// TestAlerts has the alerts checked by Prometheus itself, where it is installed.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("missing: promtool (Debian: prometheus)")
	}
	out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", filepath.Join(operate, "alerts.yml")).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
