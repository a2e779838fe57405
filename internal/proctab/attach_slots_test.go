//go:build linux

package proctab

import (
	"errors"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

func TestFullTableSweepsTheDead(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		t.Run(m.String(), func(t *testing.T) {
			const slots = 3
			f, path := openTable(t, slots)
			var children []*proctest.Child
			var owners []Owner
			for range slots {
				child := m.start(t, roleMember, path)
				o, crashed, _ := attached(t, child)
				if crashed {
					t.Error("a fresh slot has crashed")
				}
				children, owners = append(children, child), append(owners, o)
			}
			for range 2 {
				if _, _, err := f.Attach(); !errors.Is(err, ErrTooManyProcesses) {
					t.Fatalf("full table: %v", err)
				}
			}
			late := m.start(t, roleMember, path)
			late.Expect("error " + ErrTooManyProcesses.Error())
			late.WaitOK()
			for i, child := range children {
				child.Kill()
				self, crashed, err := f.Attach()
				if err != nil || !crashed || self.ID().Slot() != owners[i].Slot() || self.ID() == owners[i] {
					t.Errorf("attached as %#x after %#x died: crashed %t, %v", self.ID(), owners[i], crashed, err)
				}
				if !f.Dead(owners[i]) || f.Dead(self.ID()) {
					t.Error("the dead and the living are mixed up")
				}
				self.Detach()
				again := f.mustAttach() // crashed is reported once
				again.Detach()
				stopgap := m.start(t, roleMember, path)
				if _, crashed, _ := attached(t, stopgap); crashed {
					t.Error("a slot that was left has crashed")
				}
				defer stopgap.Kill()
			}
		})
	}
}

// Processes come and go, detaching or killed, some dying while others attach. Together they are
// more than the table has slots.
func TestManyProcessesComeAndGo(t *testing.T) {
	processes, slots := 60, 50
	if long {
		processes, slots = 300, 256
	}
	const batch = 12
	f, path := openTable(t, slots)
	seen := make(map[Owner]bool)
	var dying []*proctest.Child
	for n := 0; n < processes; n += batch {
		var living []*proctest.Child
		for i := range batch {
			living = append(living, modes[i%2].start(t, roleMember, path))
		}
		for i, child := range dying {
			ends(child, i)
		}
		for _, child := range living {
			o, _, _ := attached(t, child)
			if f.Dead(o) {
				t.Errorf("%#x is dead", o)
			}
			if seen[o] {
				t.Errorf("id %#x was given twice", o)
			}
			seen[o] = true
		}
		dying = living
	}
	for i, child := range dying {
		ends(child, i)
	}
	if len(seen) != processes {
		t.Errorf("%d ids for %d processes", len(seen), processes)
	}
	for o := range seen {
		if !f.Dead(o) {
			t.Errorf("%#x lives on", o)
		}
	}
	if left := slices.Collect(f.Owners); len(left) > 0 {
		t.Errorf("%d processes are left", len(left))
	}
}

// ends has a member end in the i-th way.
func ends(child *proctest.Child, i int) {
	switch i % 3 {
	case 0:
		child.Kill()
	case 1:
		child.Send("exit")
		child.Wait()
	case 2:
		child.Send("detach")
		child.Expect("detached")
		child.Send("return")
		child.WaitOK()
	}
}

func TestResetFreesEverySlot(t *testing.T) {
	f, path := openTable(t, 3)
	child := proctest.Start(t, roleMember, path)
	o, _, _ := attached(t, child)
	child.Kill()
	f.slots[1].word.Store(claimed(0, 12345)) // of a machine that was switched off
	f.slots[2].word.Store(^uint64(0))
	f.Reset(true, func(int) {})
	if n := len(slices.Collect(f.Owners)); n != 0 {
		t.Errorf("%d owners after Reset", n)
	}
	for range f.Len() {
		m := open(path)
		defer m.close()
		member, crashed, err := m.Attach()
		if err != nil || crashed || member.ID() == o {
			t.Errorf("%#x, crashed %t, %v", member.ID(), crashed, err)
		}
		defer member.Detach()
	}
}
