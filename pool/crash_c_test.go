package pool_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What C writes before it ends a worker, or the signal that it ends by, is what the error of the
// task says.
func TestCrashInC(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no C compiler: ", err)
	}
	program := filepath.Join(t.TempDir(), "crash")
	build := exec.Command("go", "build", "-o", program, "./testdata/crash")
	build.Env = append(build.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The runtime writes the stacks of goroutines that still run, with SIGSEGV blocked. Now and
	// then it faults meanwhile, and ends by that signal in place of exit code 2.
	ends := []string{"exit code 2): ", "signal: segmentation fault): "}
	cases := []struct {
		how, want string
		ends      []string
	}{
		{"assert", "asserts: Assertion `n == 1 && \"the reason\"' failed. (SIGABRT: abort)", nil},
		{"fault", "SIGSEGV: segmentation violation", ends},
		{"divide", "SIGFPE: floating-point exception", ends},
		{"free", "double free detected", nil},
		{"abort", "SIGABRT: abort, after: begins with abort", ends},
		{"quit", "SIGQUIT: quit", ends},
	}
	run := exec.Command(program)
	for _, c := range cases {
		run.Args = append(run.Args, c.how)
	}
	out, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(cases) {
		t.Fatalf("%d lines: %s", len(lines), out)
	}
	for i, c := range cases {
		said := func(end string) bool { return strings.Contains(lines[i], end+c.want) }
		if !said("") || c.ends != nil && !slices.ContainsFunc(c.ends, said) {
			t.Errorf("%s: %s\nwant: %s, after one of %q", c.how, lines[i], c.want, c.ends)
		}
	}
}
