package child

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

var ends = proctest.Register("ends", func(args []string) {
	switch args[0] {
	case "exit":
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "signal":
		sig, _ := strconv.Atoi(args[1])
		syscall.Kill(os.Getpid(), syscall.Signal(sig))
		proctest.Forever()
	case "asked":
		DieTerminated()
	}
})

var obeys = proctest.Register("obeys", func([]string) {
	proctest.Say("ready")
	proctest.Say("did %s", proctest.Hear())
	proctest.Hear()
})

// A47: exit codes 0 and positive, and by signal.
func TestExit(t *testing.T) {
	for _, c := range []struct {
		how, with string
		want      Exit
	}{
		{"exit", "0", Exit{}},
		{"exit", "3", Exit{Code: 3}},
		{"signal", "9", Exit{Code: -9, Signal: "killed"}},
		{"signal", "15", Exit{Code: -15, Signal: "terminated"}},
		{"asked", "", Exit{Code: -15, Signal: "terminated"}},
	} {
		p := start(t, in(ends, Spec{}, c.how, c.with))
		if got := wait(t, p); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.how, c.with, got, c.want)
		}
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
	}
}

func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		send func(*Process) error
		want int
	}{"kill": {(*Process).Kill, -9}, "terminate": {(*Process).Terminate, -15}} {
		p, talk := converse(t, in(obeys, Spec{}))
		if got := talk.line(); got != "ready" {
			t.Fatal(got)
		}
		if err := c.send(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if exit := wait(t, p); exit.Code != c.want {
			t.Errorf("%s: %v", name, exit)
		}
	}
}

// A kernel without pidfds: a thread waits, and signals go by the id.
func TestWithoutPidfd(t *testing.T) {
	cmd, own, err := command(self, in(obeys, Spec{}), os.Stdin)
	defer closeAll(own)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	p := &Process{cmd: cmd, done: make(chan struct{})}
	if _, err := holdLifeline(); err != nil {
		t.Fatal(err)
	}
	go p.reap()
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
	if exit := wait(t, p); exit.Code != -15 {
		t.Error(exit)
	}
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

var waits = proctest.Register("waits", func([]string) { proctest.Hear() })

// Waiting costs no threads, and each end is noticed.
func TestManyChildrenFewThreads(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 50
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := threads(t)
	var all []*Process
	for range n {
		all = append(all, start(t, in(waits, Spec{Stdin: r})))
	}
	r.Close()
	if now := threads(t); now > before+n/2 {
		t.Errorf("%d threads for %d children, %d before", now, n, before)
	}
	for _, p := range all {
		select {
		case <-p.Done():
			t.Error("one has ended early")
		default:
		}
	}
	w.Close()
	for _, p := range all {
		wait(t, p)
	}
}

var tells = proctest.Register("tells", func(args []string) {
	dir, _ := os.Getwd()
	proctest.Say("%s %s %s %s", args[0], os.Getenv("COLOUR"), dir, proctest.Hear())
	fmt.Fprintln(os.Stderr, "a word")
})

func TestSpec(t *testing.T) {
	t.Setenv("COLOUR", "red")
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	p := start(t, in(tells, Spec{
		Env: []string{"COLOUR=blue"}, Dir: dir,
		Stdin: strings.NewReader("hello\n"), Stdout: &stdout, Stderr: &stderr,
	}, "argument"))
	wait(t, p)
	if want := "argument blue " + dir + " hello\n"; stdout.String() != want || stderr.String() != "a word\n" {
		t.Errorf("said %q and %q, want %q", &stdout, &stderr, want)
	}
}

var works = proctest.Register("works", func([]string) {
	ballast := bytes.Repeat([]byte{1}, 32<<20)
	//clock: work of so long
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		ballast[len(ballast)/2]++
	}
	proctest.Say("worked")
	proctest.Hear()
	if slices.Max(ballast) == 0 {
		panic("never")
	}
})

func TestUsage(t *testing.T) {
	p, talk := converse(t, in(works, Spec{}))
	talk.line()
	u, err := p.Usage()
	if err != nil || u.User+u.System == 0 || u.Resident < 32<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	t.Logf("%+v", u)
	talk.send("enough")
	wait(t, p)
	after, err := p.Usage()
	if err != nil || after.User+after.System == 0 || after.Resident != 0 {
		t.Errorf("afterwards: %+v, %v", after, err)
	}
	if _, err := UsageOf(1 << 30); err == nil {
		t.Error("usage of nobody")
	}
}
