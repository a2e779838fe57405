package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/examples/internal/usagetest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	pool.Main() // in a worker, which runs this binary, too
	proctest.Main(m)
}

func TestCallback(t *testing.T) {
	path := t.TempDir() + "/factors.csv"
	if got := proctest.Start(t, program, path).Output(); got != "998 lines, 2 numbers without a factor\n" {
		t.Errorf("it says %q", got)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	factors := map[int]int{}
	for line := range strings.Lines(string(text)) {
		var n, f int
		if _, err := fmt.Sscanf(line, "%d,%d\n", &n, &f); err != nil || f < 2 || n%f != 0 || factors[n] != 0 {
			t.Fatalf("%q, %v", line, err)
		}
		factors[n] = f
	}
	if len(factors) != 998 || factors[961] != 31 || factors[997] != 997 {
		t.Errorf("%d numbers, 961 has %d, 997 has %d", len(factors), factors[961], factors[997])
	}
}

func TestUsage(t *testing.T) { usagetest.Check(t, program, "usage: callback FILE") }
