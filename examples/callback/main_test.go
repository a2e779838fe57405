package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// asProgram, in the environment, makes the test binary the program itself.
const asProgram = "EXAMPLE_AS_PROGRAM"

func TestMain(m *testing.M) {
	pool.Main()
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		main()
		return
	}
	os.Exit(m.Run())
}

// program runs the program, which must succeed, and returns what it says.
func program(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestCallback(t *testing.T) {
	path := t.TempDir() + "/factors.csv"
	if got := program(t, nil, path); got != "998 lines, 2 numbers without a factor\n" {
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
