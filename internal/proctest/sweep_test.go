//go:build crashtest && linux

package proctest

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// strides passes a point, a point in another goroutine, and two more; then it does what it is told.
var roleStrides = Register("strides", func(args []string) {
	crashpoint.Here("not armed")
	Armed(func() {
		crashpoint.Here("one")
		other := make(chan struct{})
		go func() { crashpoint.Here("two"); close(other) }()
		<-other
		crashpoint.Here("three")
		crashpoint.Here("one")
	}, func(point string) { Say("%s", point) })
	crashpoint.Here("not armed any more")
	if args[0] == "panic" {
		panic("as asked")
	}
})

var strides = []string{"one", "two", "three", "one"}

func TestSweepKillsAtEachPoint(t *testing.T) {
	plays := 0
	names := Sweep(t, len(strides), func(c *Crash) {
		plays++
		child := c.Start(roleStrides, "end")
		completed := c.Wait()
		passed := strides[:min(c.Point, len(strides))]
		if c.Point != plays || completed != (plays == len(strides)+1) || !slices.Equal(c.Points(), passed) {
			t.Errorf("play %d: point %d, completed %v, passed %q", plays, c.Point, completed, c.Points())
		}
		for _, point := range passed {
			child.Expect(point)
		}
	})
	if want := []string{"one", "three", "two"}; !slices.Equal(names, want) || plays != len(strides)+1 {
		t.Errorf("%d plays, names %q", plays, names)
	}
}

func TestSweepStopsAndHangs(t *testing.T) {
	for _, way := range []Way{Stops, Hangs} {
		Sweep(t, len(strides), func(c *Crash) {
			c.Way = way
			child := c.Start(roleStrides, "end")
			if c.Wait() {
				return
			}
			if n := len(c.Points()); n != c.Point {
				t.Errorf("%s at point %d, after %d", way, c.Point, n)
			}
			if child.Ended() {
				t.Errorf("%s at point %d: the victim has ended", way, c.Point)
			}
			if way == Stops && c.Point == 2 {
				child.Signal(syscall.SIGCONT)
				child.WaitOK()
				return
			}
			child.Kill()
		})
	}
}

func TestSweepOfAnotherProcess(t *testing.T) {
	plays := 0
	Sweep(t, 1, func(c *Crash) {
		if plays++; c.Point == 2 {
			c.Skip()
			return
		}
		child := Command(t, roleStrides, "end")
		child.Cmd.Env = append(child.Cmd.Env, crashEnv+"="+c.Order())
		child.Start()
		c.Completed(child.Wait().Success())
	})
	if plays != len(strides)+1 {
		t.Errorf("%d plays", plays)
	}
}

func TestSweepReportsMisuse(t *testing.T) {
	for _, c := range []struct {
		name, want string
		least      int
		play       func(t testing.TB, c *Crash)
	}{
		{"too few points", "4 crash points were passed, want at least 5", 5, func(_ testing.TB, c *Crash) {
			c.Start(roleStrides, "end")
			c.Wait()
		}},
		{"another end", "as asked", 1, func(_ testing.TB, c *Crash) {
			c.Start(roleStrides, "panic")
			c.Wait()
		}},
		{"a failure", "at crash point 2, after [one two]", 1, func(t testing.TB, c *Crash) {
			c.Start(roleStrides, "end")
			if c.Wait(); c.Point == 2 {
				t.Errorf("something is torn")
			}
		}},
		{"no wait", "has not waited for its victim", 1, func(_ testing.TB, c *Crash) {
			c.Start(roleStrides, "end").Wait()
		}},
		{"another death", "died at the 0-th crash point", 1, func(_ testing.TB, c *Crash) {
			child := c.Start(roleHangs)
			child.Expect("ready")
			child.Signal(syscall.SIGKILL)
			c.Wait()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failure(t, func(t testing.TB) { Sweep(t, c.least, func(crash *Crash) { c.play(t, crash) }) })
			if !strings.Contains(got, c.want) {
				t.Errorf("reported %q, want %q", got, c.want)
			}
		})
	}
}

func TestArmWithoutAnOrder(t *testing.T) {
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, `arm with the order ""`) {
			t.Errorf("panic %q", p)
		}
	}()
	os.Unsetenv(crashEnv)
	Armed(func() {})
}
