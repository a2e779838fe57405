package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// program is what a user starts.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	pool.Main() // the workers are this binary too
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

// A word with a dash is no file: -h says how the program is called, and anything else is refused.
func TestOptionsAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	for arg, code := range map[string]int{"-h": 0, "-help": 0, "-x": 2, "": 2} {
		c := proctest.Command(t, program)
		if arg != "" {
			c.Cmd.Args = append(c.Cmd.Args, arg)
		}
		c.Cmd.Dir = dir
		c.Start()
		if got := c.Wait().ExitCode(); got != code || !strings.Contains(c.Stderr(), "usage: callback FILE") {
			t.Errorf("%q: exit code %d, %s", arg, got, c.Stderr())
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}
