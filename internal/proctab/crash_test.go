//go:build crashtest && linux

package proctab

import (
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

var (
	roleActs = proctest.Register("acts", acts)
	roleTwin = proctest.Register("twin", twin)
)

// acts says its keeper's thread, and when it hears something does args[1] at the table args[0]: it
// meets the crash point of a sweep in that.
func acts(args []string) {
	proctest.Say("keeper %d", theKeeper().tid)
	proctest.Hear()
	f, other := open(args[0]), open(args[0])
	var act func()
	switch args[1] {
	case "attach":
		act = func() { f.mustAttach() }
	case "attach second":
		other.mustAttach()
		act = func() { f.mustAttach() }
	case "detach":
		act = f.mustAttach().Detach
	case "detach last":
		m := f.mustAttach()
		other.mustAttach()
		act = m.Detach
	case "detach first":
		other.mustAttach()
		act = f.mustAttach().Detach
	default:
		panic(args[1])
	}
	proctest.Armed(act)
}

// twin says its keeper's thread, and when it hears something attaches to the table args[0] and
// waits for its end.
func twin(args []string) {
	proctest.Say("keeper %d", theKeeper().tid)
	proctest.Hear()
	open(args[0]).mustAttach()
	proctest.Say("attached")
	proctest.Hear()
}

var operations = []string{"attach", "attach second", "detach", "detach last", "detach first"}

// begin starts a process that acts.
func begin(t *testing.T, p *proctest.Crash, m mode, path, operation string) *proctest.Child {
	t.Helper()
	child := p.Command(roleActs, path, operation)
	m.set(child)
	child.Start()
	child.Line()
	child.Send("go")
	return child
}

// checkAbandoned checks that no process has the table, and that every slot of it can be claimed.
func checkAbandoned(t *testing.T, f *file, path string) {
	t.Helper()
	if left := slices.Collect(f.Owners); len(left) > 0 {
		t.Errorf("left alive: %#x", left)
	}
	for range f.Len() {
		next := open(path)
		defer next.close()
		m, _, err := next.Attach()
		if err != nil {
			t.Error(err)
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
				proctest.Sweep(t, 1, func(p *proctest.Crash) {
					f, path := openTable(t, 3)
					begin(t, p, m, path, operation)
					if !p.Wait() {
						checkAbandoned(t, f, path)
					}
				})
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
				proctest.Sweep(t, 1, func(p *proctest.Crash) {
					f, path := openTable(t, 4)
					p.Way = proctest.Stops
					child := begin(t, p, m, path, operation)
					if p.Wait() {
						return
					}
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
					checkAbandoned(t, f, path)
				})
			})
		}
	}
}

// The same beside a process in another PID namespace, with a keeper's thread of the same number.
// The kernel knows the owner of a word by that number: the death of the one must not mark the word
// of the other.
func TestKilledBesideAnEqualThread(t *testing.T) {
	for _, operation := range []string{"attach", "detach"} {
		tried := 0
		proctest.Sweep(t, 1, func(p *proctest.Crash) {
			f, path := openTable(t, 2)
			p.Way = proctest.Hangs
			child := p.Command(roleActs, path, operation)
			tid := startIsolated(t, child)
			child.Send("go")
			if p.Wait() {
				return
			}
			twin := startTwin(t, path, tid)
			if twin == nil {
				child.Kill()
				return
			}
			tried++
			before := slices.Collect(f.Owners)
			twin.Send("go")
			twin.Expect("attached")
			i := slices.IndexFunc(slices.Collect(f.Owners), func(o Owner) bool { return !slices.Contains(before, o) })
			if i < 0 {
				t.Fatalf("%s, crash point %v: no twin", operation, p)
			}
			o := slices.Collect(f.Owners)[i]
			child.Kill()
			if after := slices.Collect(f.Owners); !slices.Equal(after, []Owner{o}) {
				t.Errorf("%s: a death beside the twin %#x leaves %#x", operation, o, after)
			}
			twin.Kill()
			checkAbandoned(t, f, path)
		})
		if tried == 0 {
			t.Skip("no two threads with equal numbers")
		}
		t.Logf("%s: %d points were tried", operation, tried)
	}
}

// startIsolated starts child in a PID namespace of its own, and returns its keeper's thread.
func startIsolated(t *testing.T, child *proctest.Child) (tid int) {
	t.Helper()
	isolate(child)
	if err := child.TryStart(); err != nil {
		t.Skipf("no PID namespaces for this user: %v", err)
	}
	if line := child.Line(); !scan(line, "keeper %d", &tid) {
		t.Fatal(line)
	}
	return tid
}

// startTwin starts a process that is about to attach, with a keeper's thread of this number, or
// returns nil.
func startTwin(t *testing.T, path string, tid int) *proctest.Child {
	t.Helper()
	for range 50 {
		twin := proctest.Command(t, roleTwin, path)
		if startIsolated(t, twin) == tid {
			return twin
		}
		twin.Kill()
	}
	return nil
}
