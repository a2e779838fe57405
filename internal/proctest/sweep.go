//go:build crashtest && linux

package proctest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Way is what happens to a victim at its crash point.
type Way string

const (
	Kills Way = "kill" // the process is killed with SIGKILL
	Stops Way = "stop" // the process is stopped with SIGSTOP
	Hangs Way = "hang" // the goroutine that passes the point hangs; the rest of the process goes on
)

// Crash is one play of a [Sweep]: one victim, and the crash point at which it dies.
type Crash struct {
	Point int // the crash point, counted from 1
	Way   Way // Kills, unless the play sets it before it starts the victim

	t      testing.TB
	trace  string // the file that the victim writes the names of its points to
	victim *Child
	over   bool // the victim has met its point, or completed, or the play skips the point
	whole  bool // the victim has completed
}

// Sweep plays a scene for the first crash point of an operation, for the second, and so on until
// the operation completes: play is called with a Crash of its own each time. It prepares what is
// there, starts the victim with [Crash.Start], waits for it with [Crash.Wait], and checks what
// others find then. The victim, a role, calls [Armed] with the operation.
//
// A play that fails ends the sweep with the point at which it did. An operation with fewer points
// than least fails the test, as its sweep proves nothing. Sweep logs the names of the points, and
// returns them in order, each once.
func Sweep(t testing.TB, least int, play func(c *Crash)) (names []string) {
	t.Helper()
	dir := Dir(t)
	for n := 1; ; n++ {
		c := crashAt(t, n, dir)
		play(c)
		names = append(names, c.Points()...)
		switch {
		case t.Failed():
			t.Fatalf("at crash point %v", c)
		case !c.over:
			t.Fatal("proctest: a play of Sweep has not waited for its victim")
		case !c.whole:
			continue
		}
		slices.Sort(names)
		names = slices.Compact(names)
		t.Logf("%d crash points: %s", n-1, strings.Join(names, " "))
		if n-1 < least {
			t.Errorf("%d crash points were passed, want at least %d", n-1, least)
		}
		return names
	}
}

// CrashAt is one play of no sweep, for a victim that dies at the point of that number.
func CrashAt(t testing.TB, point int) *Crash { return crashAt(t, point, Dir(t)) }

func crashAt(t testing.TB, point int, dir string) *Crash {
	return &Crash{Point: point, Way: Kills, t: t, trace: filepath.Join(dir, fmt.Sprint(point))}
}

// String is the number of the point and the names of the points that the victim has passed.
func (c *Crash) String() string { return fmt.Sprint(c.Point, ", after ", c.Points()) }

// Command is [Command] for the victim. A play may have one victim after another; what Points and
// Wait tell is of the last one.
func (c *Crash) Command(role string, args ...string) *Child {
	c.t.Helper()
	os.Remove(c.trace) // of the victim before
	c.victim = Command(c.t, role, args...)
	c.victim.Cmd.Env = append(c.victim.Cmd.Env, crashEnv+"="+c.Order())
	return c.victim
}

// Start is [Start] for the victim.
func (c *Crash) Start(role string, args ...string) *Child {
	c.t.Helper()
	child := c.Command(role, args...)
	child.Start()
	return child
}

// Wait waits until the victim has met its point or ended, and reports whether it has completed its
// operation: exited with status 0. Any other end but that by the point fails the test.
func (c *Crash) Wait() (completed bool) {
	c.t.Helper()
	if c.Way != Kills {
		Eventually(c.t, Hang, c.met, "the victim meets its point, or ends")
		if !c.victim.Ended() {
			c.over = true
			return false
		}
	}
	state := c.victim.Wait()
	status := state.Sys().(syscall.WaitStatus)
	if !state.Success() && !(c.Way == Kills && status.Signaled() && status.Signal() == syscall.SIGKILL) {
		c.t.Fatalf("crash point %v: the victim: %v; stderr:\n%s", c, state, c.victim.Stderr())
	}
	c.Completed(state.Success())
	return state.Success()
}

// met reports whether a victim that is not killed has met its point, or ended.
func (c *Crash) met() bool {
	if c.victim.Ended() {
		return true
	}
	if c.Way == Stops {
		return c.victim.stands()
	}
	return len(c.Points()) >= c.Point
}

// Order is what [Arm] arms another process with which is the victim: one that Start cannot start.
func (c *Crash) Order() string { return fmt.Sprintf("%s %d %s", c.Way, c.Point, c.trace) }

// Completed stands for Wait where Start has not started the victim: it says whether the victim has
// completed its operation, or died at its point.
func (c *Crash) Completed(whole bool) {
	c.over, c.whole = true, whole
	if n := len(c.Points()); !whole && n < c.Point {
		c.t.Fatalf("the victim died at the %d-th crash point, before the %d-th; stderr:\n%s", n, c.Point, c.stderr())
	}
}

func (c *Crash) stderr() string {
	if c.victim == nil {
		return ""
	}
	return c.victim.Stderr()
}

// Skip passes over the point: the play has started no victim.
func (c *Crash) Skip() { c.over = true }

// Points returns the names of the points that the victim has passed so far, the last one last.
func (c *Crash) Points() []string {
	b, err := os.ReadFile(c.trace)
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}
