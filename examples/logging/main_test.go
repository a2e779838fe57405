package main

import (
	"context"
	"encoding/json"
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

func TestLogging(t *testing.T) {
	tmp := t.TempDir()
	path := tmp + "/log.jsonl"
	if got := program(t, []string{"TMPDIR=" + tmp}, path); got != "200 tasks have logged; 0 records were dropped\n" {
		t.Errorf("it says %q", got)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	messages, workers := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var r struct{ Msg, Process string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		messages[r.Msg]++
		if r.Msg == "halved" {
			workers[r.Process] = true
		}
	}
	if messages["halved"] != 200 || messages["odd"] != 100 || messages["worker started"] != 3 || messages["pool closed"] != 1 {
		t.Errorf("%v", messages)
	}
	for w := range workers {
		if !strings.HasPrefix(w, "Worker-") {
			t.Errorf("a task has logged as %s", w)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 1 {
		t.Errorf("%v are left, %v", left, err)
	}
}
