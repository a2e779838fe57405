//go:build crashtest && linux

package proctab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

var roleActs = proctest.Register("acts", acts)

// acts says its keeper's thread, and when it hears something does args[1] at the table args[0]. At
// point args[3] of that it is killed, or stands still, or says so and hangs, or nothing of these,
// as args[2] says. Then it ends, or waits for its end.
func acts(args []string) {
	n, err := strconv.Atoi(args[3])
	if err != nil {
		panic(err)
	}
	proctest.Say("keeper %d", theKeeper().tid)
	proctest.Hear()
	f, other := open(args[0]), open(args[0])
	arm := func() {
		switch args[2] {
		case "stop":
			crashpoint.Stop(n)
		case "hang":
			crashpoint.Trace(hangAt(n))
		default:
			crashpoint.Arm(n)
		}
	}
	switch args[1] {
	case "attach":
		arm()
		f.mustAttach()
	case "attach second":
		other.mustAttach()
		arm()
		f.mustAttach()
	case "detach":
		m := f.mustAttach()
		arm()
		m.Detach()
	case "detach last":
		m := f.mustAttach()
		other.mustAttach()
		arm()
		m.Detach()
	case "detach first":
		other.mustAttach()
		m := f.mustAttach()
		arm()
		m.Detach()
	default:
		panic(args[1])
	}
	proctest.Say("passed %d", crashpoint.Disarm())
	if args[2] == "stay" {
		proctest.Hear()
	}
}

// hangAt returns what hangs at the n-th point.
func hangAt(n int) func(string) {
	var passed atomic.Int64
	return func(name string) {
		if int(passed.Add(1)) == n {
			proctest.Say("hangs at %s", name)
			select {}
		}
	}
}

var operations = []string{"attach", "attach second", "detach", "detach last", "detach first"}

// begin starts a process that is about to act.
func begin(t *testing.T, m mode, path, operation, how string, n int) *proctest.Child {
	t.Helper()
	child := proctest.Command(t, roleActs, path, operation, how, strconv.Itoa(n))
	m.set(child)
	child.Start()
	return child
}

// points is how many points an operation has.
func points(t *testing.T, m mode, operation string) (n int) {
	t.Helper()
	child := begin(t, m, newFile(t, 3), operation, "count", 0)
	child.Line()
	child.Send("go")
	if line := child.Line(); !scan(line, "passed %d", &n) || n == 0 {
		t.Fatal(line)
	}
	child.WaitOK()
	return n
}

// checkAbandoned checks that no process has the table, and that every slot of it can be claimed.
func checkAbandoned(t *testing.T, f *file, path, when string) {
	t.Helper()
	if left := slices.Collect(f.Owners); len(left) > 0 {
		t.Errorf("%s: left alive: %#x", when, left)
	}
	for range f.Len() {
		next := open(path)
		defer next.close()
		m, _, err := next.Attach()
		if err != nil {
			t.Errorf("%s: %v", when, err)
			return
		}
		defer m.Detach()
	}
}

// A process is killed at every point of a claim and of a release. What it leaves is dead or free,
// never alive, and every slot can be claimed.
func TestKilledAtEveryPoint(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		for _, operation := range operations {
			t.Run(m.String()+"/"+operation, func(t *testing.T) {
				all := points(t, m, operation)
				for n := 1; n <= all; n++ {
					f, path := openTable(t, 3)
					child := begin(t, m, path, operation, "arm", n)
					child.Line()
					child.Send("go")
					if child.Wait().Success() {
						t.Errorf("point %d was not reached", n)
					}
					checkAbandoned(t, f, path, fmt.Sprintf("killed at point %d of %d", n, all))
				}
				t.Logf("%d points", all)
			})
		}
	}
}

// A process stands still at every point of a claim and of a release. Others attach and detach
// meanwhile.
func TestStoppedAtEveryPoint(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		for _, operation := range operations {
			t.Run(m.String()+"/"+operation, func(t *testing.T) {
				all := points(t, m, operation)
				for n := 1; n <= all; n++ {
					f, path := openTable(t, 4)
					child := begin(t, m, path, operation, "stop", n)
					child.Line()
					child.Send("go")
					child.WaitStopped()
					others := [2]*proctest.Child{robust.start(t, roleMember, path), byLock.start(t, roleMember, path)}
					for _, other := range others {
						attached(t, other)
					}
					for _, other := range others {
						other.Send("detach")
						other.Expect("detached")
						other.Kill()
					}
					child.Kill()
					checkAbandoned(t, f, path, fmt.Sprintf("stopped at point %d of %d", n, all))
				}
			})
		}
	}
}

// The same beside a process in another PID namespace, with a keeper's thread of the same number.
// The kernel knows the owner of a word by that number: the death of the one must not mark the word
// of the other.
func TestKilledBesideAnEqualThread(t *testing.T) {
	for _, operation := range []string{"attach", "detach"} {
		all := points(t, robust, operation)
		tried := 0
		for n := 1; n <= all; n++ {
			f, path := openTable(t, 2)
			child, tid := beginIsolated(t, path, operation, "hang", n)
			child.Send("go")
			where := child.Line()
			if !strings.HasPrefix(where, "hangs at ") {
				t.Fatal(where)
			}
			twin := startTwin(t, path, tid)
			if twin == nil {
				child.Kill()
				continue
			}
			tried++
			before := slices.Collect(f.Owners)
			twin.Send("go")
			twin.Line()
			i := slices.IndexFunc(slices.Collect(f.Owners), func(o Owner) bool { return !slices.Contains(before, o) })
			if i < 0 {
				t.Fatalf("%s %s: no twin", operation, where)
			}
			o := slices.Collect(f.Owners)[i]
			child.Kill()
			if after := slices.Collect(f.Owners); !slices.Equal(after, []Owner{o}) {
				t.Errorf("%s, %s: a death beside the twin %#x leaves %#x", operation, where, o, after)
			}
			twin.Kill()
			checkAbandoned(t, f, path, where)
		}
		if tried == 0 {
			t.Skip("no two threads with equal numbers")
		}
		t.Logf("%s: %d of %d points were tried", operation, tried, all)
	}
}

// beginIsolated is begin in a PID namespace of its own.
func beginIsolated(t *testing.T, path, operation, how string, n int) (child *proctest.Child, tid int) {
	t.Helper()
	child = proctest.Command(t, roleActs, path, operation, how, strconv.Itoa(n))
	isolate(child)
	if err := child.TryStart(); err != nil {
		t.Skipf("no PID namespaces for this user: %v", err)
	}
	if line := child.Line(); !scan(line, "keeper %d", &tid) {
		t.Fatal(line)
	}
	return child, tid
}

// startTwin starts a process that is about to attach, with a keeper's thread of this number, or
// returns nil.
func startTwin(t *testing.T, path string, tid int) *proctest.Child {
	t.Helper()
	for range 50 {
		twin, other := beginIsolated(t, path, "attach", "stay", 0)
		if other == tid {
			return twin
		}
		twin.Kill()
	}
	return nil
}
