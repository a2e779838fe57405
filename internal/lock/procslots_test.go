//go:build linux

package lock

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// firstCell is where the tests have a ProcSlots of so many cells; the cell before it has how many
// were handed out.
const (
	firstCell = 8
	testCells = 32
)

func (r *room) procSlots() *ProcSlots {
	high := &mutexRegionIn(r.Cell(firstCell - 1)).word
	return NewProcSlots(r.party, high, r.From(firstCell)[:ProcSlotsBytes(testCells)])
}

// seated: ROOM. It claims a cell that counts 7, says which, and waits for its end.
var seated = proctest.Register("ProcSlots-seated", func(args []string) {
	r := enterRoom(args[0]).procSlots()
	s := r.Claim(7, nil)
	for n := range r.cells {
		if r.Cell(n) == s {
			proctest.Say("%d", n)
		}
	}
	proctest.Hear()
})

// Every cell is one word, and the first ones lie on lines of their own.
func TestProcSlots(t *testing.T) {
	r := visit(t, newRoom(t)).procSlots()
	if ProcSlotsBytes(testCells) != testCells*cellBytes || ProcSlotsBytes(1) != LineBytes || ProcSlotsBytes(9) != 2*LineBytes {
		t.Errorf("%d, %d, %d bytes", ProcSlotsBytes(testCells), ProcSlotsBytes(1), ProcSlotsBytes(9))
	}
	used, lines := map[*atomic.Uint64]bool{}, map[int]bool{}
	for n := range r.cells {
		s := r.Cell(n)
		if used[s] {
			t.Errorf("cell %d is another one, too", n)
		}
		used[s] = true
		if n < testCells/cellsPerLine {
			lines[indexOf(r, s)/cellsPerLine] = true
		}
	}
	if len(lines) != testCells/cellsPerLine {
		t.Errorf("the first cells lie on %d lines", len(lines))
	}
}

func indexOf(r *ProcSlots, s *atomic.Uint64) int {
	for i := range r.cells {
		if &r.cells[i] == s {
			return i
		}
	}
	return -1
}

// Cells are handed out from the first on. A process keeps its cell, and a dead one's goes to the
// next process, which is told what was lost with it.
func TestProcSlotsClaims(t *testing.T) {
	path := newRoom(t)
	room := visit(t, path)
	r := room.procSlots()
	var children []*proctest.Child
	for _, want := range []string{"0", "1", "2"} {
		c := proctest.Start(t, seated, path)
		c.Expect(want)
		children = append(children, c)
	}
	children[1].Kill()
	var lost []uint64
	s := r.Claim(3, func(w uint64) { lost = append(lost, w&CellMask) })
	if s != r.Cell(1) || s.Load() != uint64(room.party.Member.ID())<<CellOwnerShift|3 || !slices.Equal(lost, []uint64{7}) {
		t.Errorf("cell %d holds %#x, lost %v", indexOf(r, s), s.Load(), lost)
	}
	if again := r.Claim(9, nil); again != s || s.Load()&CellMask != 3 {
		t.Errorf("claimed again: %#x", again.Load())
	}
	if same := room.procSlots().Claim(9, nil); same != s || s.Load()&CellMask != 3 {
		t.Errorf("claimed by another view of the same process: %#x", same.Load())
	}
	sum, n := uint64(0), 0
	for _, w := range r.All {
		sum, n = sum+w&CellMask, n+1
	}
	if r.Len() != 3 || n != 3 || sum != 7+3+7 {
		t.Errorf("%d cells, %d counted, sum %d", r.Len(), n, sum)
	}
	for s := range r.All {
		if s == r.Cell(1) {
			break // the loop can be left
		}
	}
	children[0].Kill()
	children[2].Kill()
}

// Many attachments that claim at once without a lock get cells of their own.
func TestProcSlotsClaimsAtOnce(t *testing.T) {
	for range 20 {
		path := newRoom(t)
		var rooms []*room
		for range 12 {
			rooms = append(rooms, visit(t, path))
		}
		cells := make([]*atomic.Uint64, len(rooms))
		var wg sync.WaitGroup
		for i, r := range rooms {
			wg.Go(func() { cells[i] = r.procSlots().Claim(1, nil) })
		}
		wg.Wait()
		for i, s := range cells {
			if s == nil || CellOwner(s.Load()) != rooms[i].party.Member.ID() {
				t.Fatalf("party %d has no cell of its own", i)
			}
		}
		n := 0
		for range rooms[0].procSlots().All {
			n++
		}
		if n != len(rooms) {
			t.Errorf("%d cells are in use by %d parties", n, len(rooms))
		}
	}
}

// Whatever the bytes are, a claim ends: with a cell, or without when living processes seem to have
// them all.
func TestProcSlotsGarbage(t *testing.T) {
	path := newRoom(t)
	room := visit(t, path)
	other := visit(t, path)
	r := room.procSlots()
	r.high.Store(1 << 31)
	if r.Len() != testCells {
		t.Errorf("%d cells of %d", r.Len(), testCells)
	}
	for n := range r.cells {
		r.Cell(n).Store(uint64(other.party.Member.ID())<<CellOwnerShift | 5)
	}
	if s := r.Claim(1, nil); s != nil {
		t.Error("took a living process's cell")
	}
	r.Cell(17).Store(^uint64(0))
	if s := r.Claim(1, nil); s != r.Cell(17) {
		t.Error("nobody's cell was not taken")
	}
}
