//go:build linux

// The tests of this package take some twenty seconds; less with -short, with SHMKIT_LONG=1 some
// minutes.
package shmsync_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestMain(m *testing.M) { proctest.Main(m) }

var background = context.Background()

// long selects the heavy forms of tests.
var long = os.Getenv("SHMKIT_LONG") != ""

// soon is how long a lock with a deadline waits for what comes for certain.
const soon = hangs

// hangs is how long a test waits for an event before it says that the event does not come.
const hangs = 2 * time.Minute

// newSegment makes a segment for this process and children, which open it by its path.
func newSegment(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := shm.Create(filepath.Join(proctest.Dir(t), "segment"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	})
	return seg
}

func newMutex(t testing.TB, seg *shm.Segment, name string) *shmsync.Mutex {
	t.Helper()
	m, err := shmsync.NewMutex(seg, name, shmsync.MutexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lockWithin locks m as a test does that would rather fail than wait for ever.
func lockWithin(m *shmsync.Mutex, d time.Duration) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return m.Lock(ctx)
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// verdicts are the errors that a child can report, and what it calls them.
var verdicts = map[string]error{
	"ok":         nil,
	"owner died": shmsync.ErrOwnerDied,
	"locked":     shmsync.ErrLocked,
	"closed":     shmsync.ErrClosed,
	"deadline":   context.DeadlineExceeded,
}

func verdict(err error) string {
	for word, e := range verdicts {
		if (err == nil) == (e == nil) && errors.Is(err, e) {
			return word
		}
	}
	return err.Error()
}

const agentRole = "agent"

// agent: SEGMENT. It does what it is told, each line an order and the name of a lock, and reports
// how that went:
//
//	lock NAME, try NAME, timed NAME (a lock that waits for at most soon), unlock NAME, repair NAME (a lock with a repair)
//	lock-all N (the locks 0 to N-1), close, exit, spawn (an agent of its own)
var agent = proctest.Register(agentRole, func(args []string) {
	a := &agency{locks: map[string]*shmsync.Mutex{}}
	var err error
	a.seg, err = shm.Open(args[0])
	must(err)
	proctest.Say("ready")
	for {
		order, name, _ := strings.Cut(proctest.Hear(), " ")
		if order == "exit" {
			return
		}
		proctest.Say("%s", verdict(a.obey(order, name)))
	}
})

type agency struct {
	seg   *shm.Segment
	locks map[string]*shmsync.Mutex
}

func (a *agency) mutex(name string) *shmsync.Mutex {
	if a.locks[name] == nil {
		m, err := shmsync.NewMutex(a.seg, name, shmsync.MutexOptions{})
		must(err)
		a.locks[name] = m
	}
	return a.locks[name]
}

func (a *agency) obey(order, name string) error {
	switch order {
	case "lock":
		return a.mutex(name).Lock(background)
	case "try":
		return a.mutex(name).TryLock()
	case "timed":
		return lockWithin(a.mutex(name), soon)
	case "unlock":
		a.mutex(name).Unlock()
	case "repair":
		return a.mutex(name).LockRepair(background, repaired)
	case "lock-all":
		var n int
		fmt.Sscan(name, &n)
		for i := range n {
			must(a.mutex(fmt.Sprint(i)).Lock(background))
		}
	case "close":
		return a.seg.Close()
	case "spawn":
		cmd := proctest.Exec(agentRole, a.seg.Path())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		must(proctest.StartBound(cmd))
		must(cmd.Wait())
	default:
		panic("no such order: " + order)
	}
	return nil
}

func startAgent(t testing.TB, seg *shm.Segment) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, agent, seg.Path())
	c.Expect("ready")
	return c
}

// asleepOn returns when n processes or more sleep on the object of that name, or are about to.
func asleepOn(t testing.TB, seg *shm.Segment, name string, n int) {
	t.Helper()
	proctest.Eventually(t, hangs, func() bool { return waitsFor(seg, name) >= n }, fmt.Sprintf("%d processes wait for %s", n, name))
}

// waitsFor is how many waits for the object of that name are listed: one of each process, in each
// role.
func waitsFor(seg *shm.Segment, name string) (waits int) {
	r, err := shmsync.Blocked(seg)
	must(err)
	for _, w := range r.Waits {
		if w.Object == name {
			waits++
		}
	}
	return waits
}

// told has the child do something and expects its report.
func told(t testing.TB, c *proctest.Child, order, want string) {
	t.Helper()
	c.Send(order)
	c.Expect(want)
}

// dieHolding has a new process lock, or repair, and die.
func dieHolding(t testing.TB, seg *shm.Segment, names ...string) (pid int) {
	t.Helper()
	c := startAgent(t, seg)
	for _, name := range names {
		told(t, c, "repair "+name, "ok")
	}
	c.Kill()
	return c.PID()
}

// repaired is a repair that has nothing to do.
func repaired(*shmsync.OwnerDiedError) error { return nil }

// A repairable is a lock that its holder may die with.
type repairable interface {
	LockRepair(ctx context.Context, repair func(*shmsync.OwnerDiedError) error) error
	Unlock()
}

// lockRepaired locks a lock that waits for repair, and returns what its repair was told.
func lockRepaired(t testing.TB, m repairable) (died *shmsync.OwnerDiedError) {
	t.Helper()
	wantErr(t, "LockRepair", m.LockRepair(background, func(e *shmsync.OwnerDiedError) error {
		died = e
		return nil
	}), nil)
	if died == nil {
		t.Fatal("the lock did not wait for repair")
	}
	return died
}

// repair repairs a lock that waits for it, and unlocks it.
func repair(t testing.TB, m repairable) (died *shmsync.OwnerDiedError) {
	t.Helper()
	died = lockRepaired(t, m)
	m.Unlock()
	return died
}

// mustLock locks m, after a repair if that is needed, and reports whether it was.
func mustLock(m repairable) (died bool) {
	must(m.LockRepair(background, func(*shmsync.OwnerDiedError) error {
		died = true
		return nil
	}))
	return died
}

// times is how often a test does what it could go on with for ever: n by default, half of it with
// -short, ten times as often with SHMKIT_LONG=1.
func times(n int) int {
	switch {
	case long:
		return 10 * n
	case flag.Parsed() && testing.Short():
		return (n + 1) / 2
	}
	return n
}
