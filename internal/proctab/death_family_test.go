//go:build linux

package proctab

import (
	"testing"

	"golang.org/x/sys/unix"
)

// An exec that fails is no death.
func TestFailedExecIsNoDeath(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		f, path := openTable(t, 3)
		child := m.start(t, roleMember, path)
		o, _, _ := attached(t, child)
		child.Send("exec nothing")
		child.Expect("no such file or directory")
		if f.Dead(o) {
			t.Error("a failed exec looks like a death")
		}
		child.Kill()
		if !f.Dead(o) {
			t.Error("alive after SIGKILL")
		}
	}
}

// A23: the end of an unrelated child does not mark its parent, nor any other process.
func TestChildsEndDoesNotMarkTheParent(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		f, path := openTable(t, 7)
		child := m.start(t, roleMember, path)
		o, _, _ := attached(t, child)
		child.Send("run")
		child.Expect("<nil>")
		if f.Dead(o) {
			t.Error("the end of a child marked its parent")
		}
		self := f.mustAttach() // the parent of members that die
		other := m.start(t, roleMember, path)
		p, _, _ := attached(t, other)
		other.Kill()
		if !f.Dead(p) || f.Dead(o) || f.Dead(self.ID()) {
			t.Errorf("dead: the killed one %t, its sibling %t, its parent %t", f.Dead(p), f.Dead(o), f.Dead(self.ID()))
		}
		child.Kill()
		self.Detach()
	}
}

// A30: the death of a grandchild, which this process cannot wait for.
func TestGrandchildsDeathIsSeen(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		f, path := openTable(t, 3)
		w := startWaiter(t, robust, path)
		child := m.start(t, roleParent, path)
		var grandchild, tid int
		var o Owner
		var crashed bool
		for range 2 { // from two processes
			if line := child.Line(); !scan(line, "child %d", &grandchild) &&
				!scan(line, "attached %d %t %d", &o, &crashed, &tid) {
				t.Fatal(line)
			}
		}
		expectWaiting(w, o)
		if err := unix.Kill(grandchild, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		saw(t, w)
		if !f.Dead(o) {
			t.Error("alive")
		}
		child.Kill()
	}
}

// A process that lives by a byte lock leaves behind a child with its descriptor of the table.
func TestDescriptorInAChildDoesNotKeepTheParentAlive(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		f, path := openTable(t, 3)
		w := startWaiter(t, robust, path)
		child := m.start(t, roleMember, path)
		o, _, _ := attached(t, child)
		child.Send("inherit")
		var heir int
		if line := child.Line(); !scan(line, "heir %d", &heir) {
			t.Fatal(line)
		}
		expectWaiting(w, o)
		child.Kill()
		saw(t, w)
		if !f.Dead(o) {
			t.Error("alive")
		}
		if err := unix.Kill(heir, unix.SIGKILL); err != nil { // it was there until now
			t.Error(err)
		}
	}
}
