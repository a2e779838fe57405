//go:build linux

package proctab

import (
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

var (
	roleMany = proctest.Register("many", many)
	roleBulk = proctest.Register("bulk", bulk)
)

// many attaches to each of the tables args, leaves those that it is told to leave, and waits to be
// killed.
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
