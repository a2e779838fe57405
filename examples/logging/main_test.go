package main

import (
	"encoding/json"
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

func TestLogging(t *testing.T) {
	tmp := t.TempDir()
	path := tmp + "/log.jsonl"
	t.Setenv("TMPDIR", tmp)
	if got := proctest.Start(t, program, path).Output(); got != "200 tasks have logged; 0 records were dropped\n" {
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

func TestUsage(t *testing.T) { usagetest.Check(t, program, "usage: logging FILE") }
