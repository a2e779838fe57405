//go:build linux

package lock

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
)

// waitTable is the memory of the table of waits.
func (r *room) waitTable() []byte { return r.End(r.Member.Table().Len() * RowBytes) }

// listWaits gives a room a table of waits for the locks in the cells: the index of a target is the
// number of one.
func (r *room) listWaits() *WaitTable {
	mem := r.waitTable()
	r.party.Waits = NewWaitTable(r.party, mem, func(s Target) proctab.Owner {
		if s.Index() < 100 {
			return HolderIn(r.Cell(int(s.Index())))
		}
		return 0
	})
	return r.party.Waits
}

func waitFor(cell uint32) Target { return NewTarget(RoleLock, cell, 1) }

// listed are the subjects on the table.
func listed(b *WaitTable) (all []Target, overflow int) {
	overflow = b.All(func(p Wait) bool {
		all = append(all, p.Target)
		return true
	})
	return all, overflow
}

func wantPosted(t *testing.T, b *WaitTable, overflow int, want ...Target) {
	t.Helper()
	if all, n := listed(b); !slices.Equal(all, want) || n != overflow {
		t.Errorf("on the table: %x and %d, want %x and %d", all, n, want, overflow)
	}
}

func TestSubject(t *testing.T) {
	s := NewTarget(RoleGet, 1<<24-1, 1<<40|7)
	if s.Role() != RoleGet || s.Index() != 1<<24-1 || s.Serial() != 7 {
		t.Errorf("%x is %v, %d, %d", s, s.Role(), s.Index(), s.Serial())
	}
	for r := RoleLock; r < roleEnd; r++ {
		if r.String() == "" {
			t.Errorf("role %d has no name", r)
		}
	}
	if Role(0).String() != "unknown role 0" || roleEnd.String() == "" {
		t.Error("unknown roles have no name")
	}
}

// Postings come and go in any order; those that find no entry are counted; a row that was left
// stays empty.
func TestWaitsAreListed(t *testing.T) {
	r := visit(t, newRoom(t))
	b := r.listWaits()
	wantPosted(t, b, 0)
	if p := b.add(0); p != 0 {
		t.Errorf("a wait without subject was listed: %d", p)
	}
	if p := (*WaitTable)(nil).add(waitFor(1)); p != 0 {
		t.Errorf("a wait was listed nowhere: %d", p)
	}
	var all []listing
	var want []Target
	for i := range uint32(entriesPerRow) {
		all, want = append(all, b.add(waitFor(i))), append(want, waitFor(i))
	}
	wantPosted(t, b, 0, want...)
	further := []listing{b.add(waitFor(50)), b.add(waitFor(51))}
	wantPosted(t, b, 2, want...)
	b.remove(all[7])
	b.remove(further[0])
	wantPosted(t, b, 1, slices.Delete(slices.Clone(want), 7, 8)...)
	all[7] = b.add(waitFor(60))
	want[7] = waitFor(60)
	wantPosted(t, b, 1, want...)
	for _, p := range append(all, further[1]) {
		b.remove(p)
	}
	wantPosted(t, b, 0)
	last := b.add(waitFor(1))
	b.Close()
	wantPosted(t, b, 0)
	b.remove(last)
	if p := b.add(waitFor(2)); p != 0 {
		t.Errorf("a wait was listed after the leave: %d", p)
	}
	if b.mine.owner.Load() != 0 || b.mine.overflow.Load() != 0 {
		t.Error("the row was touched after the leave")
	}
}

func TestWaitTableStops(t *testing.T) {
	b := visit(t, newRoom(t)).listWaits()
	defer b.remove(b.add(waitFor(1)))
	defer b.remove(b.add(waitFor(2)))
	n := 0
	b.All(func(Wait) bool { n++; return false })
	if n != 1 {
		t.Errorf("went on %d times", n)
	}
}

func TestWaitTableAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	b := visit(t, newRoom(t)).listWaits()
	if n := testing.AllocsPerRun(1000, func() { b.remove(b.add(waitFor(1))) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// cycleRooms are n attachments, number i of which holds the lock in cell i and waits for that in
// cell i+1, but the last.
func cycleRooms(t *testing.T, n int) (rooms []*room) {
	path := newRoom(t)
	for i := range n {
		r := visit(t, path)
		r.listWaits()
		if err := r.mutex(i).TryLock(); err != nil {
			t.Fatal(err)
		}
		if i+1 < n {
			r.party.Waits.add(waitFor(uint32(i + 1)))
		}
		rooms = append(rooms, r)
	}
	return rooms
}

// Every length of a cycle is found, and its parts are in order; one that does not come back is
// none.
func TestCycle(t *testing.T) {
	for _, n := range []int{2, 3, 10} {
		rooms := cycleRooms(t, n)
		last := rooms[n-1].party.Waits
		if c := last.cycle(waitFor(uint32(n - 1))); c != nil {
			t.Errorf("%d: who waits for itself is in the cycle %v", n, c)
		}
		if c := rooms[0].party.Waits.cycle(waitFor(1)); c != nil {
			t.Errorf("%d: cycle before the last one waits: %v", n, c)
		}
		c := last.cycle(waitFor(0))
		if len(c) != n {
			t.Fatalf("%d: cycle %v", n, c)
		}
		for i, p := range c {
			if want := rooms[(i+n-1)%n].party.Member.ID(); p.Owner != want || p.Target != waitFor(uint32(i)) {
				t.Errorf("%d: number %d of the cycle is %v, want %v", n, i, p, want)
			}
		}
		last.add(waitFor(0))
		if c := rooms[0].party.Waits.cycle(waitFor(1)); len(c) != n {
			t.Errorf("%d: cycle seen by the first: %v", n, c)
		}
	}
}

// A wait that is not exclusive closes no cycle, nor does a lock that has been handed but not taken,
// nor a process that left.
func TestNoCycle(t *testing.T) {
	rooms := cycleRooms(t, 3)
	b := rooms[2].party.Waits
	middle := rooms[1].party.Waits
	middle.remove(1)
	for _, role := range []Role{RoleDrain, RoleAcquire, RoleCond, RoleEvent, RoleBarrier, RoleWaitGroup, RolePut, RoleGet, RoleDirectory, 0, 200} {
		p := middle.add(NewTarget(role, 2, 1))
		if c := b.cycle(waitFor(0)); c != nil {
			t.Errorf("%v: cycle %v", role, c)
		}
		middle.remove(p)
	}
	middle.add(waitFor(2))
	if c := b.cycle(waitFor(0)); len(c) != 3 {
		t.Errorf("cycle %v", c)
	}
	word := &rooms[0].mutex(1).r.word
	w := word.Load()
	word.Store(w | handed)
	if c := b.cycle(waitFor(0)); c != nil {
		t.Errorf("handed: cycle %v", c)
	}
	word.Store(w)
	rooms[1].Leave()
	if c := b.cycle(waitFor(0)); c != nil {
		t.Errorf("after one has left: cycle %v", c)
	}
}

// Among many waits of each process those that lead back are found.
func TestCycleAmongManyWaits(t *testing.T) {
	rooms := cycleRooms(t, 4)
	for i, r := range rooms {
		for range 12 {
			r.party.Waits.add(waitFor(uint32(i))) // for itself
			r.party.Waits.add(waitFor(3))
			r.party.Waits.add(waitFor(90)) // of which no process is the holder
		}
	}
	if c := rooms[3].party.Waits.cycle(waitFor(0)); len(c) < 2 || c[len(c)-1].Target != waitFor(3) {
		t.Errorf("cycle %v", c)
	}
}

// FuzzWaitTable fills the table of waits and some locks with the fuzzer's bytes. Whatever they are,
// no search panics or goes on for ever.
func FuzzWaitTable(f *testing.F) {
	f.Add(uint64(1), []byte{1, 2, 3})
	f.Add(uint64(2), []byte{255})
	f.Fuzz(func(t *testing.T, seed uint64, garbage []byte) {
		path := newRoom(t)
		r, other := visit(t, path), visit(t, path)
		b := r.listWaits()
		other.listWaits()
		rnd := rand.New(rand.NewPCG(seed, 1))
		words := []uint64{0, uint64(r.party.Member.ID()), uint64(other.party.Member.ID()), 1<<64 - 1, 1 << 30, 1<<30 - 1, uint64(waitFor(0)), uint64(waitFor(1)), uint64(waitFor(2))}
		for range 50 {
			for i := range b.rows {
				b.rows[i].owner.Store(uint32(words[rnd.IntN(6)]))
				for k := range b.rows[i].entries {
					b.rows[i].entries[k].target.Store(words[rnd.IntN(len(words))])
				}
			}
			if len(garbage) > 0 {
				table := r.waitTable()
				copy(table[rnd.IntN(len(table)):], garbage)
			}
			for i := range 3 {
				r.mutex(i).r.word.Store(uint32(words[rnd.IntN(6)]))
			}
			began := time.Now()
			b.cycle(waitFor(uint32(rnd.IntN(4))))
			listed(b)
			b.remove(b.add(waitFor(1)))
			if took := time.Since(began); took > hangs {
				t.Fatalf("took %v", took)
			}
		}
	})
}

// A holder that unlocks, and only then waits for what this process has, closes no cycle, even when
// it does so between two looks; nor does one whose wait ends and begins anew meanwhile.
func TestCycleThatNeverWas(t *testing.T) {
	rooms := cycleRooms(t, 2)
	first, second := rooms[0].party.Waits, rooms[1].party.Waits
	first.remove(1)
	free, looked := rooms[1].mutex(1), 0
	holder := first.holder
	first.holder = func(s Target) proctab.Owner {
		o := holder(s)
		if looked++; looked == 1 {
			free.Unlock()
			second.add(waitFor(0))
		}
		return o
	}
	if c := first.cycle(waitFor(1)); c != nil || looked < 2 {
		t.Errorf("cycle %v after %d looks", c, looked)
	}
	if err := free.TryLock(); err != nil {
		t.Fatal(err)
	}
	looked = 0
	first.holder = func(s Target) proctab.Owner {
		if looked++; looked == 3 { // after the first search: the wait that it saw is over
			second.remove(1)
		}
		return holder(s)
	}
	if c := first.cycle(waitFor(1)); c != nil || looked < 3 {
		t.Errorf("cycle %v after %d looks", c, looked)
	}
}
