package main

import (
	"context"
	"os"
	"os/exec"
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

func TestShared(t *testing.T) {
	if got := program(t, nil); got != "2000 transfers by 4 processes, and every coin is there\n" {
		t.Errorf("it says %q", got)
	}
}
