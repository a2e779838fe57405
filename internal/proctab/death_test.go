//go:build linux

package proctab

import (
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// deathLimit is what a death may take to be seen, on the busiest machine.
const deathLimit = patience

var ways = []string{"return", "exit", "panic", "kill", "terminate", "segv", "nil", "fault", "exec", "exec member"}

// latencies are how long each death took to be seen.
type latencies []time.Duration

func (l *latencies) add(t *testing.T, d time.Duration) {
	t.Helper()
	if d > deathLimit {
		t.Errorf("the death was seen after %v", d)
	}
	*l = append(*l, d)
}

func (l latencies) log(t *testing.T, what string) {
	t.Helper()
	slices.Sort(l)
	t.Logf("%s: seen after %v (p50), %v (longest) in %d deaths", what, l[len(l)/2], l[len(l)-1], len(l))
}

// dies has a member die, checks what the others see of it, and returns how long that took.
func dies(t *testing.T, f *file, path string, m mode, way string, w *proctest.Child) time.Duration {
	t.Helper()
	child := m.start(t, roleMember, path)
	o, _, _ := attached(t, child)
	expectWaiting(w, o)
	if f.Dead(o) || f.Gone(o.Slot()) || !slices.Contains(slices.Collect(f.Owners), o) {
		t.Fatalf("owner %#x is not alive: %v", o, slices.Collect(f.Owners))
	}
	// the waiter reaches the kernel; if it does not, the test shows less
	proctest.Stagger(2 * time.Millisecond)
	child.Send(way)
	took := time.Duration(saw(t, w) - f.stamp.Load())
	if !f.Dead(o) || way != "exec member" && !f.Gone(o.Slot()) || slices.Contains(slices.Collect(f.Owners), o) {
		t.Errorf("owner %#x lives on: %v", o, slices.Collect(f.Owners))
	}
	if _, ok := f.Liveness(o); ok {
		t.Error("the dead owner has a liveness word")
	}
	switch way {
	case "exec member":
		next, crashed, _ := attached(t, child)
		if next == o || f.Dead(next) || !f.Dead(o) || next.Slot() == o.Slot() && !crashed {
			t.Errorf("owner %#x became %#x: dead %t, crashed %t", o, next, f.Dead(next), crashed)
		}
		child.Kill()
		if !f.Dead(next) {
			t.Error("still alive after SIGKILL")
		}
	case "exec":
		child.Kill() // the process goes on as another program
	default:
		child.Wait()
	}
	return took
}

func TestEveryDeathIsAnEvent(t *testing.T) {
	rounds := 1
	if long {
		rounds = 5
	}
	for _, m := range modes {
		for _, watch := range []mode{robust, nothing} {
			t.Run("dying "+m.String()+"/watching "+watch.String(), func(t *testing.T) {
				f, path := openTable(t, 7)
				w := startWaiter(t, watch, path)
				var all latencies
				for range rounds {
					for _, way := range ways {
						all.add(t, dies(t, f, path, m, way, w))
					}
				}
				all.log(t, "all ways")
			})
		}
	}
}

// The figure that users feel: a waiter in another process resumes after SIGKILL.
func TestLatencyOfDeathBySIGKILL(t *testing.T) {
	rounds := 5
	if long {
		rounds = 50
	}
	f, path := openTable(t, 3)
	w := startWaiter(t, robust, path)
	for _, age := range []string{"young", "ripe"} {
		var kills latencies
		for range rounds {
			child := proctest.Start(t, roleMember, path)
			o, _, _ := attached(t, child)
			if age == "ripe" {
				f.awaitOrdered(t, o)
			}
			expectWaiting(w, o)
			proctest.Stagger(2 * time.Millisecond) // as above
			f.stamp.Store(now())
			child.Kill()
			kills.add(t, time.Duration(saw(t, w)-f.stamp.Load()))
		}
		kills.log(t, "SIGKILL of a "+age+" process")
	}
}

// The kernel wakes one of the sleepers, and that one the others.
func TestAllWaitersSeeADeath(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		t.Run(m.String(), func(t *testing.T) {
			f, path := openTable(t, 3)
			var waiters []*proctest.Child
			for range 5 {
				waiters = append(waiters, startWaiter(t, robust, path))
			}
			for range 3 {
				child := m.start(t, roleMember, path)
				o, _, _ := attached(t, child)
				for _, w := range waiters {
					expectWaiting(w, o)
				}
				f.stamp.Store(now())
				child.Kill()
				var all latencies
				for _, w := range waiters {
					all.add(t, time.Duration(saw(t, w)-f.stamp.Load()))
				}
				all.log(t, "five waiters")
			}
		})
	}
}

func TestDetachWakesWaiters(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		f, path := openTable(t, 3)
		w := startWaiter(t, robust, path)
		child := m.start(t, roleMember, path)
		o, _, _ := attached(t, child)
		expectWaiting(w, o)
		child.Send("detach")
		child.Expect("detached")
		saw(t, w)
		if !f.Dead(o) || !f.Gone(o.Slot()) {
			t.Error("alive after Detach")
		}
		child.Send("return")
		child.WaitOK()
		if !f.Dead(o) {
			t.Error("alive after the end")
		}
		if word := f.slots[o.Slot()].word.Load(); word != freed(o.epoch()) {
			t.Errorf("the end of a process marked a slot that it had left: %#x", word)
		}
	}
}
