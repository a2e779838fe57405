//go:build linux

package proctab

import (
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

var (
	roleMany = proctest.Register("many", many)
	roleBulk = proctest.Register("bulk", bulk)
)

// many attaches to each of the tables args, leaves those whose numbers it hears, and waits to be killed.
func many(args []string) {
	var members []*Member
	for _, path := range args {
		members = append(members, open(path).mustAttach())
		proctest.Say("%d", members[len(members)-1].ID())
	}
	for {
		n, err := strconv.Atoi(proctest.Hear())
		if err != nil {
			panic(err)
		}
		members[n].Detach()
		proctest.Say("left %d", n)
	}
}

// A process dies that is attached to several tables, after leaving some of them: those at
// the ends and in the middle of its list. All the others are marked.
func TestDeathMarksAllTables(t *testing.T) {
	const tables = 5
	for _, m := range []mode{robust, byLock} {
		for _, leave := range [][]int{{}, {0}, {2}, {4}, {4, 3}, {0, 1}, {1, 3}, {0, 4, 2}, {0, 1, 2, 3, 4}} {
			var files []*file
			var paths []string
			for range tables {
				f, path := openTable(t, 2)
				files, paths = append(files, f), append(paths, path)
			}
			child := m.start(t, roleMany, paths...)
			var owners []Owner
			for range tables {
				owners = append(owners, ownerFrom(child.Line()))
			}
			for _, n := range leave {
				child.Send(strconv.Itoa(n))
				child.Expect("left " + strconv.Itoa(n))
			}
			for i, f := range files {
				if f.Dead(owners[i]) != slices.Contains(leave, i) {
					t.Errorf("after leaving %v: table %d dead %t", leave, i, f.Dead(owners[i]))
				}
			}
			child.Kill()
			for i, f := range files {
				left := slices.Contains(leave, i)
				word := f.slots[owners[i].Slot()].word.Load()
				if !f.Dead(owners[i]) || (word&livenessMask == 0) != left {
					t.Errorf("left %v and killed: word %d is %#x", leave, i, word)
				}
			}
		}
	}
}

// bulk attaches args[1] times to one table per MaxSlots attachments, and waits to be killed.
func bulk(args []string) {
	n, _ := strconv.Atoi(args[1])
	for i := range n {
		f := open(args[2+i/MaxSlots])
		f.mustAttach()
	}
	runtime.GC() // nothing here holds on to the attachments
	runtime.GC()
	proctest.Say("%d", theKeeper().places.Load())
	proctest.Hear()
}

// More attachments than the kernel follows in one list.
func TestDeathMarksMoreThanTheListHolds(t *testing.T) {
	const attachments = maxPlaces + 60
	var files []*file
	args := []string{"", strconv.Itoa(attachments)}
	for n := 0; n < attachments; n += MaxSlots {
		f, path := openTable(t, MaxSlots)
		files, args = append(files, f), append(args, path)
	}
	child := proctest.Start(t, roleBulk, args...)
	child.Expect(strconv.Itoa(maxPlaces))
	var owners [][]Owner
	total := 0
	for _, f := range files {
		all := slices.Collect(f.Owners)
		owners, total = append(owners, all), total+len(all)
	}
	if total != attachments {
		t.Errorf("%d owners, want %d", total, attachments)
	}
	child.Kill()
	for i, f := range files {
		if left := slices.Collect(f.Owners); len(left) > 0 {
			t.Errorf("table %d: %d of %d attachments live on", i, len(left), len(owners[i]))
		}
	}
}

// In each of these modes a process claims and leaves slots that one of the other has had.
func TestModesShareATable(t *testing.T) {
	f, path := openTable(t, 2)
	seen := make(map[Owner]bool)
	for _, end := range []string{"kill", "detach"} {
		for _, pair := range [][2]mode{{robust, byLock}, {byLock, robust}, {byLock, nothing}, {noFence, robust}} {
			var children [2]*proctest.Child
			var owners [2]Owner
			for i, m := range pair {
				children[i] = m.start(t, roleMember, path)
				owners[i], _, _ = attached(t, children[i])
				if seen[owners[i]] {
					t.Errorf("id %#x is used again", owners[i])
				}
				seen[owners[i]] = true
			}
			for i, m := range pair {
				if f.Silent(owners[i]) != (m == byLock || m == nothing) {
					t.Errorf("%v: silent %t", m, f.Silent(owners[i]))
				}
			}
			if end == "detach" {
				children[0].Send("detach")
				children[0].Expect("detached")
			} else {
				children[0].Kill()
			}
			if !f.Dead(owners[0]) || f.Dead(owners[1]) {
				t.Errorf("%s, %v: dead %t %t", end, pair, f.Dead(owners[0]), f.Dead(owners[1]))
			}
			for _, child := range children {
				child.Kill()
			}
			for o := range seen {
				if !f.Dead(o) {
					t.Errorf("%#x lives on", o)
				}
			}
		}
	}
}

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

// Processes come and go, detaching or killed, some dying while others attach. Together they are more than the table has slots.
func TestManyProcessesComeAndGo(t *testing.T) {
	processes, slots := 300, 256
	if testing.Short() {
		processes, slots = 60, 50
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

func TestTwoAttachmentsOfOneProcess(t *testing.T) {
	path := newFile(t, 4)
	a, b := open(path), open(path)
	defer a.close()
	defer b.close()
	first, second := a.mustAttach(), b.mustAttach()
	if first.ID() == second.ID() || a.Dead(second.ID()) || b.Dead(first.ID()) {
		t.Errorf("%#x and %#x", first.ID(), second.ID())
	}
	first.Detach()
	first.Detach()
	if !b.Dead(first.ID()) || b.Dead(second.ID()) || a.Dead(second.ID()) {
		t.Error("Detach of one")
	}
	third := a.mustAttach() // a Table can be attached to again
	if b.Dead(third.ID()) || third.ID() == first.ID() || third.Table() != a.Table {
		t.Errorf("attached again as %#x", third.ID())
	}
	second.Detach()
	third.Detach()
}

func TestSecondAttachPanics(t *testing.T) {
	f, _ := openTable(t, 4)
	m := f.mustAttach()
	defer m.Detach()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f.Attach()
}

func TestAttachFromManyGoroutines(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	const goroutines = 16
	f, path := openTable(t, goroutines)
	var mu sync.Mutex
	living := make(map[int]Owner) // by slot
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			mine := open(path)
			defer mine.close()
			for range rounds {
				m, crashed, err := mine.Attach()
				if err != nil || crashed {
					t.Errorf("crashed %t, %v", crashed, err)
					return
				}
				mu.Lock()
				if o, ok := living[m.ID().Slot()]; ok {
					t.Errorf("%#x and %#x share a slot", o, m.ID())
				}
				living[m.ID().Slot()] = m.ID()
				mu.Unlock()
				if f.Dead(m.ID()) {
					t.Errorf("%#x is dead", m.ID())
				}
				mu.Lock()
				delete(living, m.ID().Slot())
				mu.Unlock()
				m.Detach()
				if !f.Dead(m.ID()) {
					t.Errorf("%#x lives on", m.ID())
				}
			}
		})
	}
	all.Wait()
	if k := theKeeper(); len(k.linked) != 0 || k.places.Load() != 0 || k.head.next != k.head.end() || k.head.pending != 0 {
		t.Errorf("the list holds %d slots, %d places are taken", len(k.linked), k.places.Load())
	}
}

func TestResetFreesEverySlot(t *testing.T) {
	f, path := openTable(t, 3)
	child := proctest.Start(t, roleMember, path)
	o, _, _ := attached(t, child)
	child.Kill()
	f.slots[1].word.Store(claimed(0, 12345)) // of a machine that was switched off
	f.slots[2].word.Store(^uint64(0))
	f.Reset()
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
