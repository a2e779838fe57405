package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A process test's child does not wait a second for the race detector.
var quickExit = "GORACE=atexit_sleep_ms=0"

// newProcess makes a process that is ended with the test.
func newProcess[A, R any](t testing.TB, task *pool.Task[A, R], arg A, o pool.ProcessOptions) *pool.Process {
	t.Helper()
	o.Env = append(o.Env, quickExit)
	p, err := pool.NewProcess(task, arg, o)
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

func startProcess[A, R any](t testing.TB, task *pool.Task[A, R], arg A, o pool.ProcessOptions) *pool.Process {
	t.Helper()
	p := newProcess(t, task, arg, o)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// join waits for the end of the process and returns its exit code.
func join(t testing.TB, p *pool.Process) int {
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
		p := startProcess(t, await, c.how, pool.ProcessOptions{Name: "teller", Stderr: &stderr})
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
		p := startProcess(t, await, how, pool.ProcessOptions{Stderr: &bytes.Buffer{}})
		if err := p.Terminate(-1); err != nil {
			t.Error(err)
		}
		if code := join(t, p); code != want {
			t.Errorf("%s: exit code %d, want %d", how, code, want)
		}
	}
	p := startProcess(t, await, "ignore", pool.ProcessOptions{})
	if err := p.Terminate(-1); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) //clock: that the time-out ends it is the subject
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
	p := newProcess(t, await, "context", pool.ProcessOptions{Name: "cat"})
	if _, ended := p.ExitCode(); ended || p.Alive() || p.PID() != 0 || p.Name() != "cat" || p.Daemon() {
		t.Errorf("before: ended %v, alive %v, pid %d, %s", ended, p.Alive(), p.PID(), p.Name())
	}
	for name, err := range map[string]error{"Join": p.Join(t.Context()), "Kill": p.Kill(), "Terminate": p.Terminate(-1)} {
		if err == nil {
			t.Errorf("%s before Start", name)
		}
	}
	if _, err := p.Usage(); err == nil {
		t.Error("Usage before Start")
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err == nil {
		t.Error("started twice")
	}
	if _, ended := p.ExitCode(); ended || !p.Alive() || p.PID() <= 0 {
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
	all := make([]*pool.Process, n)
	started := make(chan error)
	for i := range all {
		all[i] = newProcess(t, await, "context", pool.ProcessOptions{})
		go func() { started <- all[i].Start() }()
	}
	for range all {
		if err := <-started; err != nil {
			t.Fatal(err)
		}
	}
	if active := len(pool.ActiveChildren()); active != n {
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
	if active := pool.ActiveChildren(); len(active) != 0 {
		t.Errorf("%d active children are left", len(active))
	}
}

// ActiveChildren lists those that run, in the order of their start; names count up.
func TestActiveChildrenAndNames(t *testing.T) {
	a := startProcess(t, await, "context", pool.ProcessOptions{})
	b := startProcess(t, await, "context", pool.ProcessOptions{Name: "b"})
	c := newProcess(t, await, "", pool.ProcessOptions{})
	var first, second int
	if _, err := fmt.Sscanf(a.Name()+" "+c.Name(), "Process-%d Process-%d", &first, &second); err != nil || second != first+1 {
		t.Errorf("names %q and %q: %v", a.Name(), c.Name(), err)
	}
	if got := pool.ActiveChildren(); len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("active: %v", got)
	}
	a.Kill()
	join(t, a)
	if got := pool.ActiveChildren(); len(got) != 1 || got[0] != b {
		t.Errorf("active after the end of one: %v", got)
	}
}
