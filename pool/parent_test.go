package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// eventLogEnv names the file in which processes of these tests write what happens to them, a line
// for each event.
const eventLogEnv = "SHMKIT_TEST_EVENT_LOG"

// note writes an event of this process into the event log.
func note(what string) {
	f, err := os.OpenFile(os.Getenv(eventLogEnv), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%d %s\n", os.Getpid(), what); err != nil {
		panic(err)
	}
}

// newEventLog has this process and its children write an event log until the end of the test.
func newEventLog(t *testing.T) *eventLog {
	d := &eventLog{t, filepath.Join(t.TempDir(), "events")}
	t.Setenv(eventLogEnv, d.path)
	return d
}

type eventLog struct {
	t    *testing.T
	path string
}

// read returns what each process has written.
func (d *eventLog) read() map[string][]string {
	b, err := os.ReadFile(d.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err) // of a test, or of a worker
	}
	events := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		pid, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		events[pid] = append(events[pid], what)
	}
	return events
}

// count is how many processes have written that.
func (d *eventLog) count(what string) (n int) {
	for _, events := range d.read() {
		if slices.Contains(events, what) {
			n++
		}
	}
	return n
}

// lives fails the test unless every process that has opened resources has opened all and closed
// all, once, in the opposite order, and says how many there were.
func (d *eventLog) lives() (n int) {
	d.t.Helper()
	for pid, events := range d.read() {
		events = slices.DeleteFunc(events, func(e string) bool { return !strings.HasPrefix(e, "open") && !strings.HasPrefix(e, "close") })
		if len(events) == 0 {
			continue
		}
		n++
		if want := []string{"open first", "open second", "open third", "close third", "close second", "close first"}; !slices.Equal(events, want) {
			d.t.Errorf("the resources of process %s: %q", pid, events)
		}
	}
	return n
}

// The resources of these tests write the event log.
var (
	firstResource  = loggedResource("first")
	secondResource = loggedResource("second")
	thirdResource  = loggedResource("third")
	threeResources = []pool.AnyResource{firstResource, secondResource, thirdResource}
)

func loggedResource(name string) *pool.Resource[struct{}, string] {
	return pool.DefineResource(name, func(context.Context, struct{}) (string, func() error, error) {
		note("open " + name)
		return name + " of " + strconv.Itoa(os.Getpid()), func() error { note("close " + name); return nil }, nil
	})
}

// linger starts what the argument says and waits: for the end of its context, or for ever.
var linger *pool.Task[string, int64]

func init() { linger = pool.Define("linger", lingerAs) }

func lingerAs(ctx context.Context, how string) (int64, error) {
	switch how {
	case "program":
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		note(fmt.Sprint("child ", cmd.Process.Pid))
	case "pool":
		p, err := pool.New(context.Background(), pool.Options{Workers: 2, Resources: threeResources})
		if err != nil {
			return 0, err
		}
		go pool.Map(context.Background(), p, linger, []string{"program", "deaf"})
	case "process":
		_, err := process.Start(context.Background(), linger, "program", process.Options{Daemon: true})
		if err != nil {
			return 0, err
		}
	}
	note("lingers")
	if how == "deaf" {
		proctest.Forever()
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

// pids are all processes of the event log, with their children.
func (d *eventLog) pids() (pids []string) {
	d.t.Helper()
	for pid, events := range d.read() {
		pids = append(pids, pid)
		for _, e := range events {
			if child, ok := strings.CutPrefix(e, "child "); ok {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// alive are those of the processes that have not ended.
func alive(pids []string) (left []string) {
	for _, pid := range pids {
		if n, err := strconv.Atoi(pid); err == nil && lives(proctest.Stat(n)) {
			left = append(left, pid)
		}
	}
	return left
}

var parent = proctest.Register("pool parent", func(args []string) {
	p, err := pool.New(context.Background(), pool.Options{Workers: 4, Resources: threeResources})
	if err != nil {
		proctest.Say("%v", err)
		return
	}
	go pool.Map(context.Background(), p, linger, args)
	proctest.Say("ready")
	switch proctest.Hear() {
	case "panic":
		panic("as asked")
	case "exit":
		os.Exit(5)
	}
})

// However the parent ends, its workers and all that they have started are gone; the resources of
// each worker were closed, once and in order.
func TestDeathOfParent(t *testing.T) {
	for name, test := range map[string]struct {
		end     func(c *proctest.Child)
		tasks   []string
		linger  int // processes that say that they linger
		workers int // that have opened resources
	}{
		"killed":        {func(c *proctest.Child) { c.Signal(syscall.SIGKILL) }, []string{"program", "", "", ""}, 4, 4},
		"idle workers":  {func(c *proctest.Child) { c.Signal(syscall.SIGKILL) }, []string{"program"}, 1, 4},
		"deaf tasks":    {func(c *proctest.Child) { c.Signal(syscall.SIGKILL) }, []string{"program", "deaf", "deaf", "deaf"}, 4, 4},
		"nested pool":   {func(c *proctest.Child) { c.Signal(syscall.SIGKILL) }, []string{"pool", "program"}, 4, 6},
		"process":       {func(c *proctest.Child) { c.Signal(syscall.SIGKILL) }, []string{"process", "program"}, 3, 4},
		"SIGTERM":       {func(c *proctest.Child) { c.Signal(syscall.SIGTERM) }, []string{"program", "pool", "deaf"}, 5, 6},
		"panic":         {func(c *proctest.Child) { c.Send("panic") }, []string{"program", "process", "deaf"}, 4, 4},
		"os.Exit":       {func(c *proctest.Child) { c.Send("exit") }, []string{"program", "pool", "deaf"}, 5, 6},
		"without Close": {func(c *proctest.Child) { c.Send("return") }, []string{"program", "process", "deaf"}, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			d := newEventLog(t)
			c := proctest.Start(t, parent, test.tasks...)
			c.Expect("ready")
			proctest.Eventually(t, proctest.Hang, func() bool { return d.count("lingers") == test.linger }, "the tasks run")
			pids := d.pids()
			if left := alive(pids); len(left) != len(pids) {
				t.Fatalf("%d processes of %d are there", len(left), len(pids))
			}
			test.end(c)
			proctest.Eventually(t, proctest.Hang, func() bool { return len(alive(pids)) == 0 }, "all processes are gone")
			if workers := d.lives(); workers != test.workers {
				t.Errorf("%d workers have opened resources, not %d", workers, test.workers)
			}
			c.Wait()
		})
	}
}

// groupOf lists the processes of a group that are not dead.
func groupOf(t *testing.T, pgid string) (pids []string) {
	t.Helper()
	all, err := procfs.AllProcs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if stat := proctest.Stat(p.PID); strconv.Itoa(stat.PGRP) == pgid && lives(stat) {
			pids = append(pids, strconv.Itoa(p.PID))
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

// suicideEnv says how many workers shall die while they open the resource suicidal.
const suicideEnv = "SHMKIT_TEST_SUICIDES"

func suicides() int {
	n, err := strconv.Atoi(os.Getenv(suicideEnv))
	if err != nil {
		panic(err)
	}
	return n
}

func eventLogPath() string { return os.Getenv(eventLogEnv) }

// lives reports whether a process is there and has not ended.
func lives(stat procfs.ProcStat) bool { return stat.PID != 0 && stat.State != "Z" && stat.State != "X" }

// stopped reports whether the process with this id is stopped.
func stopped(pid int) bool { return proctest.Stat(pid).State == "T" }
