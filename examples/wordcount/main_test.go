package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	pool.Main() // in a worker, which runs this binary, too
	proctest.Main(m)
}

// start starts the program, in a process group of its own.
func start(t *testing.T, args ...string) *proctest.Child {
	t.Helper()
	c := proctest.Command(t, program, args...)
	c.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Start()
	return c
}

// countWith runs the program, which must succeed, and reads its JSON.
func countWith(t *testing.T, args ...string) report {
	t.Helper()
	out := start(t, append([]string{"-json"}, args...)...).Output()
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return r
}

func TestProgramIsFindAndWC(t *testing.T) {
	root := filepath.Join(goroot(t), "src", "runtime")
	want, wantTop := expected(t, root, 5)
	for _, workers := range []int{1, 3} {
		r := countWith(t, "-workers", strconv.Itoa(workers), "-top", "5", root)
		if r.Totals != want || !slices.Equal(r.Top, wantTop) || len(r.Workers) != workers || r.Killed != 0 {
			t.Errorf("%d workers: got %+v, want %+v and %v", workers, r, want, wantTop)
		}
	}
}

// Workers are killed all the time, and nothing is lost or counted twice.
func TestChaosChangesNothing(t *testing.T) {
	root := filepath.Join(goroot(t), "src", "cmd")
	want := countWith(t, "-workers", "2", root)
	rounds := 3
	if os.Getenv("SHMKIT_LONG") != "" {
		rounds = 50
	}
	killed := 0
	// a fast machine may be done before the first one is killed
	for n := 0; n < rounds || n < 20 && killed == 0; n++ {
		got := countWith(t, "-workers", "3", "-chaos", root)
		if got.Totals != want.Totals || !slices.Equal(got.Top, want.Top) {
			t.Errorf("run %d: got %+v, want %+v", n, got, want)
		}
		killed += got.Killed
	}
	t.Logf("%d workers were killed in %d runs", killed, rounds)
	if killed == 0 || want.Killed != 0 {
		t.Errorf("%d workers were killed, and %d without chaos", killed, want.Killed)
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"-workers", "2", dir}, command.ExitOK, ""},
		{[]string{"-h"}, command.ExitOK, "usage: wordcount"},
		{[]string{filepath.Join(dir, "none")}, command.ExitFailed, "no such file"},
		{[]string{"-workers", "0", dir}, command.ExitUsage, "-workers must be at least 1"},
		{[]string{"-top", "-1", dir}, command.ExitUsage, "-top must not be negative"},
		{[]string{"-none"}, command.ExitUsage, "usage: wordcount"},
		{[]string{dir, dir}, command.ExitUsage, "more than one directory"},
	} {
		child := start(t, c.args...)
		if code := child.Wait().ExitCode(); code != c.code || !strings.Contains(child.Stderr(), c.text) {
			t.Errorf("%v: exit code %d, want %d; it said %q", c.args, code, c.code, child.Stderr())
		}
	}
}

// Ctrl-C ends the program and its workers, whether the signal goes to all of them or to the program
// alone.
func TestInterrupt(t *testing.T) {
	for name, target := range map[string]func(pid int) int{
		"program": func(pid int) int { return pid },
		"group":   func(pid int) int { return -pid },
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, "-workers", "2", goroot(t))
			workers := awaitChildren(t, c.PID(), 2)
			if err := syscall.Kill(target(c.PID()), syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if code := c.Wait().ExitCode(); code != command.ExitInterrupted {
				t.Errorf("exit code %d; it said %s", code, c.Stderr())
			}
			for _, w := range workers {
				if err := syscall.Kill(w, 0); !errors.Is(err, syscall.ESRCH) {
					t.Errorf("worker %d is still there: %v", w, err)
				}
			}
		})
	}
}

// awaitChildren waits until a process has n children and returns them.
func awaitChildren(t *testing.T, pid, n int) (children []int) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		children = nil
		lists, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range lists {
			text, _ := os.ReadFile(list) // the thread may be gone
			for _, field := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					children = append(children, child)
				}
			}
		}
		return len(children) >= n
	}, fmt.Sprintf("process %d has %d children", pid, n))
	return children
}
