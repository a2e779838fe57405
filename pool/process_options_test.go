package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"golang.org/x/sys/unix"
)

// introduce writes to its first file, or its standard output, what the process is.
var introduce = pool.Define("introduce", func(_ context.Context, what string) (string, error) {
	me, parent := process.Current(), process.Parent()
	out := os.Stdout
	if len(me.Files) > 0 {
		out = me.Files[len(me.Files)-1]
	}
	switch what {
	case "identity":
		fmt.Fprintf(out, "%s %v %d %v; %s %v %v", me.Name, me.Daemon, me.Depth, me.PID == os.Getpid(),
			parent.Name(), parent.PID() == os.Getppid(), parent.Alive())
	case "surroundings":
		dir, err := os.Getwd()
		fmt.Fprintf(out, "%s %s %s%s %v", dir, os.Getenv("COLOUR"), os.Getenv("SHMKIT_POOL_PROCESS"), os.Getenv("SHMKIT_LIMITS"), err)
	case "limits":
		nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		var set unix.CPUSet
		unix.SchedGetaffinity(0, &set)
		fmt.Fprintf(out, "nice %d, %d processor, 0: %v, GOMAXPROCS %d, %v", 20-nice, set.Count(), set.IsSet(0), runtime.GOMAXPROCS(0), err)
	case "descriptors":
		fmt.Fprint(out, out.Fd(), inheritedDescriptors())
	case "work":
		//clock: it stands for work of so long
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		}
		fmt.Fprint(out, "worked")
		proctest.Forever()
	}
	return "", nil
})

// inheritedDescriptors are those that are not closed on exec, which no descriptor is that Go has
// opened.
func inheritedDescriptors() (fds []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, e.Name())
		}
	}
	slices.Sort(fds)
	return fds
}

// introduction runs introduce and returns what it has written.
func introduction(t *testing.T, what string, o process.Options) string {
	t.Helper()
	var stdout bytes.Buffer
	o.Stdout = &stdout
	p := startProcess(t, introduce, what, o)
	if code := join(t, p); code != 0 {
		t.Errorf("%s: exit code %d", what, code)
	}
	return stdout.String()
}

func TestProcessCurrentAndParent(t *testing.T) {
	me := process.Current()
	if me.Name != "main" || me.PID != os.Getpid() || me.Daemon || me.Depth != 0 || me.Files != nil || process.Parent() != nil {
		t.Errorf("this process: %+v, parent %v", me, process.Parent())
	}
	got := introduction(t, "identity", process.Options{Name: "cat", Daemon: true})
	if want := "cat true 1 true; main true true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestProcessEnvAndDir(t *testing.T) {
	t.Setenv("COLOUR", "red")
	dir := t.TempDir()
	o := process.Options{Env: []string{"COLOUR=blue"}, Dir: dir}
	if got, want := introduction(t, "surroundings", o), dir+" blue  <nil>"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A47: a process gets the files that it is given, and no other descriptors.
func TestProcessFiles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	// what leads to it is not for others
	other := startProcess(t, await, "context", process.Options{})
	p := startProcess(t, introduce, "descriptors", process.Options{Files: []*os.File{null, w}})
	w.Close()
	got := make([]byte, 4096)
	r.SetReadDeadline(time.Now().Add(proctest.Hang)) // the pipe is still in the poller
	n, err := r.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	// The link and the files are closed on exec in the process, as everything else.
	want := slices.Compact(slices.Sorted(slices.Values(append(inheritedDescriptors(), "0", "1", "2"))))
	want = slices.DeleteFunc(want, func(fd string) bool { return fd == "3" || fd == "4" || fd == "5" })
	if string(got[:n]) != fmt.Sprint(5, want) { // the second file
		t.Errorf("descriptors %s, want %v", got[:n], want)
	}
	join(t, p)
	if n, err := r.Read(got); err == nil {
		t.Errorf("%d bytes after the end: somebody else has the pipe", n)
	}
	if !other.Alive() {
		t.Error("the other has ended")
	}
}

func TestProcessLimits(t *testing.T) {
	o := process.Options{CPUs: []int{0}, Nice: 7, Env: []string{"GOMAXPROCS="}}
	if got, want := introduction(t, "limits", o), "nice 7, 1 processor, 0: true, GOMAXPROCS 1, <nil>"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for what, o := range map[string]process.Options{
		"processors [1000]": {CPUs: []int{1000}},
		"this process has":  {Memory: 1 << 20},
	} {
		if err := startError(t, introduce, "limits", o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v", what, err)
		}
	}
}

var hoard = pool.Define("hoard", func(_ context.Context, _ int64) (int64, error) {
	var kept [][]byte
	for len(kept) < 1000 {
		kept = append(kept, bytes.Repeat([]byte{1}, 8<<20))
	}
	return int64(len(kept)), nil
})

func TestProcessMemoryLimit(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector has more private memory than any limit")
	}
	var stderr bytes.Buffer // with cgo, threads take some 100 MiB before the task begins
	p := startProcess(t, hoard, 0, process.Options{Memory: 192 << 20, Stderr: &stderr})
	if code := join(t, p); code != 2 || stderr.Len() == 0 {
		t.Errorf("exit code %d: %.200s", code, &stderr)
	}
}

func TestProcessUsage(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := startProcess(t, introduce, "work", process.Options{Files: []*os.File{w}})
	w.Close()
	if _, err := r.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	u, err := p.Usage()
	if err != nil || u.User+u.System == 0 || u.Resident < 1<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	p.Kill()
	join(t, p)
	after, err := p.Usage()
	if err != nil || after.User+after.System == 0 || after.Resident != 0 {
		t.Errorf("afterwards: %+v, %v", after, err)
	}
}

func TestProcessOptionsRefused(t *testing.T) {
	for what, o := range map[string]process.Options{
		"Files[0]":     {Files: []*os.File{nil}},
		"key=value":    {Env: []string{"COLOUR"}},
		"processor -1": {CPUs: []int{-1}},
		"niceness 20":  {Nice: 20},
		"memory":       {Memory: -1},
	} {
		if err := startError(t, await, "", o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v", what, err)
		}
	}
	closed, _ := os.Open(os.DevNull)
	closed.Close()
	for what, o := range map[string]process.Options{
		"nonexistent": {Dir: "/nonexistent"},
		"closed":      {Files: []*os.File{closed}},
	} {
		if err := startError(t, await, "", o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v", what, err)
		}
	}
}
