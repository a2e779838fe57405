package lock

import (
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A ProcSlots gives each process that uses an object a cell: a word of its own, in which only that
// process counts what it does there. When it dies, others see from the cell what has died with it.
//
//	bits 34..63  owner id of the process that has the cell; 0: it was never handed out
//	bits  0..33  what the object counts
//
// Cells are handed out from the first on, so that a look at
// all of them is as short as the number of processes that ever used the object at once. The cell of
// a dead process is handed out again. Owner and count are one word: a change that was meant
// for a process which has lost its cell meanwhile fails.
//
// Neighbours in number are not neighbours in memory: the first processes, and most
// objects have no more, find their cells on cache lines of their own.
type ProcSlots struct {
	high  *atomic.Uint32 // cells [0, high) have been handed out; only grows
	cells []atomic.Uint64
	lines int
	party *Party
	mine  atomic.Pointer[atomic.Uint64] // the cell of this process
}

const (
	CellOwnerShift = 34
	CellMask       = 1<<CellOwnerShift - 1

	cellBytes    = 8
	cellsPerLine = LineBytes / cellBytes
	LineBytes    = 64
)

// ProcSlotsBytes is how much shared memory the cells of n processes need, aligned to a cache line.
// Zeros are free cells.
func ProcSlotsBytes(n int) int { return (n + cellsPerLine - 1) / cellsPerLine * LineBytes }

// NewProcSlots views mem as cells, one for each slot of the party's process table at most.
func NewProcSlots(party *Party, high *atomic.Uint32, mem []byte) *ProcSlots {
	return &ProcSlots{high: high, cells: cellsIn(mem), lines: len(mem) / LineBytes, party: party}
}

// Cell is the n-th cell in the order in which they are handed out.
func (p *ProcSlots) Cell(n int) *atomic.Uint64 {
	if n < p.lines { // the usual case, without a division
		return &p.cells[n*cellsPerLine]
	}
	return &p.cells[n%p.lines*cellsPerLine+n/p.lines]
}

// Len is how many cells have been handed out. What is in shared memory may be garbage.
func (p *ProcSlots) Len() int { return int(min(p.high.Load(), uint32(len(p.cells)))) }

// CellOwner is the owner of the cell that holds w.
func CellOwner(w uint64) proctab.Owner { return proctab.Owner(w >> CellOwnerShift) }

// All calls yield with each cell that was handed out and what it holds; see CellOwner and CellMask.
func (p *ProcSlots) All(yield func(cell *atomic.Uint64, w uint64) bool) {
	for n := range p.Len() {
		s := p.Cell(n)
		if w := s.Load(); w != 0 && !yield(s, w) {
			return
		}
	}
}

// Claim gives this process a cell that counts first, if it has none, and returns it; nil when there
// is none, which says that the ProcSlots is damaged. When the cell was a dead process's, lost is
// told what that had counted, before it is overwritten; it may be nil.
//
// Preconditions:
//   - when lost is not nil, a lock of the object is held: without it several may be told of the
//     same loss.
//
// What a death leaves behind: a cell of the dead, which goes to the next.
func (p *ProcSlots) Claim(first uint64, lost func(cell uint64)) *atomic.Uint64 {
	me := p.party.Member.ID()
	for p.mine.Load() == nil {
		n, w := p.freeCell(me)
		if n < 0 {
			return nil
		}
		s := p.Cell(n)
		if CellOwner(w) != me {
			if lost != nil && w&CellMask != 0 {
				lost(w)
			}
			if !s.CompareAndSwap(w, uint64(me)<<CellOwnerShift|first&CellMask) {
				continue // another process was faster
			}
			crashpoint.Here("roster.seated")
		}
		p.raiseHigh(uint32(n + 1))
		p.mine.Store(s)
	}
	return p.mine.Load()
}

// RestoreHigh has the cell of this process count as handed out, should the bytes that say so have
// been overwritten.
func (p *ProcSlots) RestoreHigh() {
	for n := range p.cells {
		if p.Cell(n) == p.mine.Load() {
			p.raiseHigh(uint32(n + 1))
		}
	}
}

// raiseHigh has the cells below n count as handed out.
func (p *ProcSlots) raiseHigh(n uint32) {
	for high := p.high.Load(); high < n; high = p.high.Load() {
		// SYNC: ProcSlots: a look at all cells from here on sees this one. Its first use comes
		// later.
		p.high.CompareAndSwap(high, n)
		crashpoint.Here("roster.raised")
	}
}

// freeCell returns the number of a cell for this process and what it holds. It is its own if it has
// one already, because all its handles of the object had gone in between, or else the first free
// cell or cell of a dead process; -1 when there is none.
func (p *ProcSlots) freeCell(me proctab.Owner) (n int, w uint64) {
	n = -1
	for i := range p.cells {
		if n >= 0 && i >= p.Len() {
			break // beyond are only those that are being claimed just now
		}
		have := p.Cell(i).Load()
		if CellOwner(have) == me {
			return i, have
		}
		if n < 0 && p.party.Member.Table().Dead(CellOwner(have)) { // owner 0 counts as dead, too
			n, w = i, have
		}
	}
	return n, w
}

// Mine is the cell of this process; nil when it has none.
func (p *ProcSlots) Mine() *atomic.Uint64 { return p.mine.Load() }

// Capacity is how many cells there are.
func (p *ProcSlots) Capacity() int { return len(p.cells) }

// OthersAlive reports whether another process that has a cell lives.
func (p *ProcSlots) OthersAlive() bool {
	table, me := p.party.Member.Table(), p.party.Member.ID()
	for _, w := range p.All {
		if owner := CellOwner(w); owner != me && !table.Dead(owner) {
			return true
		}
	}
	return false
}

// CellsIn are the first high cells in mem that have an owner.
func CellsIn(mem []byte, high uint32) (found []uint64) {
	lines := len(mem) / LineBytes
	cells := cellsIn(mem[:lines*LineBytes])
	for n := range min(high, uint32(len(cells))) {
		if w := cells[int(n)%lines*cellsPerLine+int(n)/lines].Load(); CellOwner(w) != 0 {
			found = append(found, w)
		}
	}
	return found
}

// CellOwners are the owners of those of the first high cells in mem that have what is asked for.
func CellOwners(mem []byte, high uint32, has func(cell uint64) bool) (owners []proctab.Owner) {
	for _, w := range CellsIn(mem, high) {
		if has(w) {
			owners = append(owners, CellOwner(w))
		}
	}
	return owners
}
