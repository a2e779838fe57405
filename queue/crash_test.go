//go:build crashtest

package queue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// roleCrash does operation args[1] once on the queue in the segment args[0], is killed or stopped (args[2]) at its
// args[3]-th point, and writes the name of each point that it passes to a file beside the segment.
var roleCrash = proctest.Register("crash", func(args []string) {
	q := openFor(args[0])
	n, err := strconv.Atoi(args[3])
	exitOn(err)
	f, err := os.OpenFile(filepath.Dir(args[0])+"/points", os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	exitOn(err)
	crashpoint.Trace(func(name string) { fmt.Fprintln(f, name) })
	proctest.Say("ready")
	if args[2] == "stop" {
		crashpoint.Stop(n)
	} else {
		crashpoint.Arm(n)
	}
	switch args[1] {
	case "put":
		exitOn(q.Put(background, messageOf(99)))
	case "get":
		v, err := q.Get(background)
		exitOn(err)
		exitOn(v.check())
	case "close":
		exitOn(q.Close())
	default:
		exitOn(operations[args[1]](q))
	}
	crashpoint.Disarm()
	crashpoint.Trace(nil)
	proctest.Say("done")
})

// passed returns the points that the child of that segment has passed.
func passed(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Dir(path) + "/points")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// A scene is what is there when the child begins its operation, and what goes for the survivors after its death.
type scene struct {
	op       string
	capacity int
	joinable bool
	fill     uint64                                             // messages 1, 2, … in the queue
	before   func(t *testing.T, q *Queue[checked], path string) // prepares more; may be nil
	during   func(t *testing.T, q *Queue[checked])              // what the test does when the child sleeps, or is dead; may be nil
	after    func(t *testing.T, q *Queue[checked], points []string)
}

// sweep plays the scene once for each point of the operation, with the death of the child there, until the
// child comes through.
func sweep(t *testing.T, s scene) {
	all := map[string]bool{}
	for n := 1; ; n++ {
		q, path := namedQueue[checked](t, s.capacity, Options{Joinable: s.joinable}.startingAt(beforeLapWrap(uint64(s.capacity))+uint64(s.capacity)-1))
		putChecked(t, q, 1, s.fill)
		if s.before != nil {
			s.before(t, q, path)
		}
		child := proctest.Start(t, roleCrash, path, s.op, "kill", strconv.Itoa(n))
		child.Expect("ready")
		if s.during != nil {
			asleep.AwaitOrEnd(t, q.o.Seg, 1, child)
			s.during(t, q)
		}
		state := child.Wait()
		points := passed(t, path)
		survived := state.Success()
		if !survived {
			diedByKill(t, state)
			if len(points) != n {
				t.Fatalf("%d points passed at death %d: %v; stderr:\n%s", len(points), n, points, child.Stderr())
			}
		}
		for _, p := range points {
			all[p] = true
		}
		s.after(t, q, points)
		usable(t, q)
		if t.Failed() {
			t.Fatalf("killed at point %d of %v", n, points)
		}
		if survived {
			break
		}
	}
	t.Logf("points: %v", sorted(all))
}

func sorted(set map[string]bool) (names []string) {
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// drained takes a step as a consumer, so that what the dead have left is seen, and checks that there is no message.
func drained(t *testing.T, q *Queue[checked]) {
	t.Helper()
	_, err := q.TryGet()
	wantErr(t, err, ErrEmpty)
}
