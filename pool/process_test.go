package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// A process test's child does not wait a second for the race detector.
var quickExit = "GORACE=atexit_sleep_ms=0"

// startProcess starts a process that is ended with the test.
func startProcess[A, R any](t testing.TB, task *pool.Task[A, R], arg A, o process.Options) *process.Process {
	t.Helper()
	o.Env = append(o.Env, quickExit)
	p, err := process.Start(context.Background(), task, arg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.Alive() {
			p.Kill()
			join(t, p)
		}
	})
	return p
}

// startError is why a process does not start.
func startError[A, R any](t testing.TB, task *pool.Task[A, R], arg A, o process.Options) error {
	t.Helper()
	o.Env = append(o.Env, quickExit)
	p, err := process.Start(context.Background(), task, arg, o)
	if err == nil {
		p.Kill()
		join(t, p)
	}
	return err
}

// join waits for the end of the process and returns its exit code.
func join(t testing.TB, p *process.Process) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Hang)
	defer cancel()
	if err := p.Join(ctx); err != nil {
		t.Fatalf("%s does not end: %v", p.Name(), err)
	}
	code, ended := p.ExitCode()
	if !ended {
		t.Fatalf("%s has ended, but has no exit code", p.Name())
	}
	return code
}

// await is the task of a process that ends as it is told.
var await = pool.Define("await", func(ctx context.Context, how string) (string, error) {
	switch how {
	case "error":
		return "", errors.New("no luck")
	case "panic":
		panic("ouch")
	case "goexit":
		runtime.Goexit()
	case "exit":
		os.Exit(5)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "context":
		<-ctx.Done()
		return "", fmt.Errorf("the end: %w", ctx.Err())
	case "obey":
		<-ctx.Done()
	case "fail late":
		<-ctx.Done()
		return "", errors.New("could not clean up")
	case "ignore":
		proctest.Forever()
	}
	return "", nil
})

// A47: exit codes 0, positive and by signal, and what is written of them.
func TestProcessExitCode(t *testing.T) {
	for _, c := range []struct {
		how    string
		code   int
		stderr []string
	}{
		{"", 0, nil},
		{"error", 1, []string{`process "teller": task "await": no luck`}},
		{"panic", 1, []string{"panic: ouch", "process_test.go"}},
		{"goexit", 1, []string{"runtime.Goexit was called", "process_test.go"}},
		{"exit", 5, nil},
		{"kill", -9, nil},
	} {
		var stderr bytes.Buffer
		p := startProcess(t, await, c.how, process.Options{Name: "teller", Stderr: &stderr})
		if code := join(t, p); code != c.code {
			t.Errorf("%q: exit code %d, want %d", c.how, code, c.code)
		}
		for _, text := range c.stderr {
			if !strings.Contains(stderr.String(), text) {
				t.Errorf("%q: its standard error lacks %q: %s", c.how, text, &stderr)
			}
		}
		if len(c.stderr) == 0 && stderr.Len() > 0 {
			t.Errorf("%q: standard error: %s", c.how, &stderr)
		}
	}
}

// A47: terminate, and kill what takes no notice of it.
func TestProcessTerminate(t *testing.T) {
	for how, want := range map[string]int{"context": -15, "obey": 0, "fail late": 1} {
		p := startProcess(t, await, how, process.Options{Stderr: &bytes.Buffer{}})
		if err := p.Terminate(-1); err != nil {
			t.Error(err)
		}
		if code := join(t, p); code != want {
			t.Errorf("%s: exit code %d, want %d", how, code, want)
		}
	}
	p := startProcess(t, await, "ignore", process.Options{})
	if err := p.Terminate(-1); err != nil {
		t.Error(err)
	}
	//clock: that the time-out ends it is the subject
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Join(ctx); !errors.Is(err, context.DeadlineExceeded) || !p.Alive() {
		t.Errorf("joined a process that ignores SIGTERM: %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if code := join(t, p); code != -9 {
		t.Errorf("exit code %d after Kill", code)
	}
}

// What a Process answers before, during and after its life.
func TestProcessLife(t *testing.T) {
	p := startProcess(t, await, "context", process.Options{Name: "cat"})
	if _, ended := p.ExitCode(); ended || !p.Alive() || p.PID() <= 0 || p.Name() != "cat" || p.Daemon() {
		t.Errorf("alive: ended %v, alive %v, pid %d", ended, p.Alive(), p.PID())
	}
	select {
	case <-p.Sentinel():
		t.Error("the sentinel says that it has ended")
	default:
	}
	p.Kill()
	select {
	case <-p.Sentinel():
	case <-time.After(proctest.Hang):
		t.Fatal("the sentinel does not say that it has ended")
	}
	if code, ended := p.ExitCode(); !ended || code != -9 || p.Alive() {
		t.Errorf("after: ended %v, exit code %d, alive %v", ended, code, p.Alive())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{"Join": p.Join(ended), "Kill": p.Kill(), "Terminate": p.Terminate(-1)} {
		if err != nil {
			t.Errorf("%s after the end: %v", name, err)
		}
	}
}

// A47: 100 processes started and 100 terminated.
func TestManyProcesses(t *testing.T) {
	n := 100
	if testing.Short() {
		n = 20
	}
	all := make([]*process.Process, n)
	var started sync.WaitGroup
	for i := range all {
		started.Go(func() {
			var err error
			if all[i], err = process.Start(t.Context(), await, "context", process.Options{Env: []string{quickExit}}); err != nil {
				t.Error(err)
			}
		})
	}
	started.Wait()
	if t.Failed() {
		t.FailNow()
	}
	if active := len(process.Children()); active != n {
		t.Errorf("%d active children of %d", active, n)
	}
	for _, p := range all {
		if err := p.Terminate(-1); err != nil {
			t.Error(err)
		}
	}
	for _, p := range all {
		if code := join(t, p); code != -15 {
			t.Errorf("%s: exit code %d", p.Name(), code)
		}
	}
	if active := process.Children(); len(active) != 0 {
		t.Errorf("%d active children are left", len(active))
	}
}

// ActiveChildren lists those that run, in the order of their start; names count up.
func TestActiveChildrenAndNames(t *testing.T) {
	a := startProcess(t, await, "context", process.Options{})
	b := startProcess(t, await, "context", process.Options{Name: "b"})
	c := startProcess(t, await, "", process.Options{})
	join(t, c)
	var first, second int
	if _, err := fmt.Sscanf(a.Name()+" "+c.Name(), "Process-%d Process-%d", &first, &second); err != nil || second != first+1 {
		t.Errorf("names %q and %q: %v", a.Name(), c.Name(), err)
	}
	if got := process.Children(); len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("active: %v", got)
	}
	a.Kill()
	join(t, a)
	if got := process.Children(); len(got) != 1 || got[0] != b {
		t.Errorf("active after the end of one: %v", got)
	}
}
