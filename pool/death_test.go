package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var die = pool.Define("die", func(_ context.Context, how string) (int64, error) {
	switch how {
	case "panic":
		panic("ouch")
	case "goexit":
		runtime.Goexit()
	case "exit":
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(3)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "segv":
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		select {}
	}
	return 7, nil
})

// A49, the task's own part: each way to die while it runs, and the pool is usable after it.
func TestDeathOfTask(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	for how, value := range map[string]string{"panic": "ouch", "goexit": "runtime.Goexit was called"} {
		_, err := pool.Map(t.Context(), p, die, []string{how})
		var pe *pool.PanicError
		if !errors.As(err, &pe) || pe.Value != value || !strings.Contains(pe.Stack, "pool_test") {
			t.Errorf("%s: %v", how, err)
		}
	}
	for how, check := range map[string]func(*pool.WorkerDiedError) bool{
		"exit": func(e *pool.WorkerDiedError) bool { return e.ExitCode == 3 && strings.Contains(e.Stderr, "last words") },
		"kill": func(e *pool.WorkerDiedError) bool { return e.ExitCode == -9 && e.Signal == "killed" },
		"segv": func(e *pool.WorkerDiedError) bool { return e.ExitCode == 2 || e.ExitCode == -11 },
	} {
		_, err := pool.Map(t.Context(), p, die, []string{how})
		var we *pool.WorkerDiedError
		if !errors.As(err, &we) || we.Attempts != 3 || !check(we) {
			t.Errorf("%s: %v", how, err)
		}
	}
	if got, err := pool.Map(t.Context(), p, die, []string{"", "", ""}); err != nil || len(got) != 3 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	if killed := p.Stats().Killed; killed != 9 {
		t.Errorf("%d workers have died, not 9", killed)
	}
}

var big = pool.Define("big", func(_ context.Context, n int64) ([]byte, error) {
	return []byte(strings.Repeat(string(rune('a'+n%26)), int(n%5000))), nil
})

// Workers are killed at random moments; every result comes exactly once.
func TestChaos(t *testing.T) {
	tasks, rounds := 20000, 1
	if os.Getenv("SHMKIT_LONG") != "" {
		rounds = 50
	}
	if testing.Short() {
		tasks = 2000
	}
	for range rounds {
		p := newPool(t, pool.Options{Workers: 3, Attempts: -1})
		stop := make(chan struct{})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				ws := p.Stats().Workers
				if pid := ws[rand.IntN(len(ws))].PID; pid != 0 {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}()
		seen := make(map[int]int)
		for b, err := range pool.IMap(t.Context(), p, big, numbers(tasks)) {
			if err != nil {
				t.Fatal(err)
			}
			n := len(seen)
			if len(b) != n%5000 || len(b) > 0 && b[0] != byte('a'+n%26) {
				t.Fatalf("result %d is that of another: %d bytes", n, len(b))
			}
			seen[n]++
		}
		close(stop)
		<-stopped
		if len(seen) != tasks {
			t.Errorf("%d results of %d", len(seen), tasks)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("%d workers were killed", p.Stats().Killed)
	}
}

var orphan = proctest.Register("pool parent", func([]string) {
	p, err := pool.New(context.Background(), pool.Options{Workers: 2})
	if err != nil {
		proctest.Say("%v", err)
		return
	}
	go pool.Map(context.Background(), p, grandchild, []int64{1, 2})
	for p.Stats().Pending != 2 {
		time.Sleep(time.Millisecond)
	}
	s := p.Stats()
	proctest.Say("%d", s.Workers[0].PID)
	proctest.Say("%d", s.Workers[1].PID)
	proctest.Hear()
})

var grandchild = pool.Define("grandchild", func(ctx context.Context, _ int64) (int64, error) {
	return 0, exec.Command("sleep", "1000").Run()
})

// The parent is killed: its workers and their children are gone within a second.
func TestDeathOfParent(t *testing.T) {
	c := proctest.Start(t, orphan)
	pids := []string{c.Line(), c.Line()}
	for _, pid := range pids {
		proctest.Eventually(t, 10*time.Second, func() bool { return len(groupOf(t, pid)) > 1 }, "worker has a child")
	}
	c.Kill()
	start := time.Now()
	for _, pid := range pids {
		proctest.Eventually(t, 2*time.Second, func() bool { return len(groupOf(t, pid)) == 0 }, "worker and its children are gone")
	}
	t.Log("gone after", time.Since(start))
}

// groupOf lists the processes of a group that are not dead.
func groupOf(t *testing.T, pgid string) (pids []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state ppid pgrp …
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if f[2] == pgid && f[0] != "Z" && f[0] != "X" {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

var forgetful = proctest.Register("forgetful", func([]string) {
	// What a program without pool.Main does: its worker comes to New, too.
	os.Setenv("SHMKIT_TEST_FORGETFUL", "1")
	_, err := pool.New(context.Background(), pool.Options{Workers: 2})
	proctest.Say("%v", err)
})

// A54: a program that has forgotten pool.Main gets an error, not a fork bomb.
func TestForgottenMain(t *testing.T) {
	c := proctest.Start(t, forgetful)
	if line := c.Line(); !strings.Contains(line, "pool.Main") {
		t.Errorf("said: %s", line)
	}
	c.WaitOK()
}
