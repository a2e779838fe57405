package pool_test

import (
	"os/exec"
	"path/filepath"
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
	cases := []struct{ how, want string }{
		{"assert", "asserts: Assertion `n == 1 && \"the reason\"' failed. (SIGABRT: abort)"},
		{"fault", "exit code 2): SIGSEGV: segmentation violation"},
		{"divide", "exit code 2): SIGFPE: floating-point exception"},
		{"free", "double free detected"},
		{"abort", "exit code 2): SIGABRT: abort, after: begins with abort"},
		{"quit", "exit code 2): SIGQUIT: quit"},
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
		if !strings.Contains(lines[i], c.want) {
			t.Errorf("%s: %s\nwant: %s", c.how, lines[i], c.want)
		}
	}
}
