//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// develop returns when the file that it names is there; with an empty name, at once.
var develop = pool.Define("develop", func(ctx context.Context, gate string) (int64, error) {
	for gate != "" {
		if _, err := os.Stat(gate); err == nil {
			break
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	return 0, nil
})

// poolState is what the tool says of the task table of the only pool of this process.
type poolState struct {
	Segments []struct {
		Kind       string
		ObjectList []struct {
			State struct {
				Label string
				Tasks []map[string]any
				Exits map[string]uint64
			}
			Value []map[string]any
		}
		Waits int
	}
}

func poolNow(t *testing.T) (p poolState) {
	t.Helper()
	out, stderr, code := call("pool", fmt.Sprint("@", os.Getpid()), "-json")
	if code != 0 {
		t.Fatal(stderr)
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Segments) != 1 || len(p.Segments[0].ObjectList) != 1 {
		t.Fatalf("%s", out)
	}
	return p
}

// A pool is shown with its name, the names of its tasks, how they have ended, and since when a
// worker runs which of them: also of a task that the pool itself does not time.
func TestPoolIsNamed(t *testing.T) {
	p, err := pool.New(background, pool.Options{Workers: 1, Label: "thumbnails"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 3 {
		must(pool.Apply(background, p, develop, ""))
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return poolNow(t).Segments[0].Waits == 1 }, "the worker sleeps")
	start := time.Now()
	gate := t.TempDir() + "/gate"
	done := make(chan error)
	go func() {
		_, err := pool.Apply(background, p, develop, gate)
		done <- err
	}()
	var worker map[string]any
	proctest.Eventually(t, proctest.Hang, func() bool {
		workers := poolNow(t).Segments[0].ObjectList[0].Value
		if len(workers) == 1 {
			worker = workers[0]
		}
		return worker["since"] != nil
	}, "a worker that runs a task since a time")
	since, err := time.Parse(time.RFC3339Nano, fmt.Sprint(worker["since"]))
	if err != nil || since.Before(start) || since.After(time.Now()) || worker["task"] != "develop" {
		t.Errorf("the worker is %v, %v; the task began after %v", worker, err, start)
	}
	state := poolNow(t).Segments[0].ObjectList[0].State
	if len(state.Tasks) != 1 || state.Label != "thumbnails" || state.Exits["died"] != 0 {
		t.Fatalf("%+v", state)
	}
	if task := state.Tasks[0]; task["name"] != "develop" || task["submitted"] != 4.0 || task["ok"] != 3.0 || task["error"] != 0.0 {
		t.Errorf("%v", task)
	}
	for _, command := range [][]string{{"pool", fmt.Sprint("@", os.Getpid())}, {"top", "-b", "-n", "1", fmt.Sprint("@", os.Getpid())}} {
		if text, _, _ := call(command...); !strings.Contains(text, "label thumbnails") || !strings.Contains(text, "develop") {
			t.Errorf("%v: %s", command, text)
		}
	}
	for _, command := range [][]string{{"pool"}, {"top", "-n", "1"}} {
		text, _, _ := call(append(command, "-json", fmt.Sprint("@", os.Getpid()))...)
		if err := validate(strictSchema(t), text); err != nil {
			t.Errorf("%s: %v in %s", command, err, text)
		}
	}
	path := t.TempDir() + "/copy"
	if _, stderr, code := call("dump", fmt.Sprint("@", os.Getpid()), path, "-scrub"); code != 0 {
		t.Error(stderr)
	}
	if b := must(os.ReadFile(path)); bytes.Contains(b, []byte(gate)) || !bytes.Contains(b, []byte("develop")) {
		t.Error("a scrubbed copy holds an argument of a task, or not its name")
	}
	if text, _, code := call("show", path, "tasks"); code != 0 || !strings.Contains(text, "label thumbnails") || !strings.Contains(text, "running 1") {
		t.Errorf("a scrubbed copy: %s", text)
	}
	must(0, os.WriteFile(gate, nil, 0o600))
	must(0, <-done)
}
