package proctab

import (
	"errors"
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mapping"
)

// ErrTooManyProcesses is returned when every slot of a table belongs to a living process.
var ErrTooManyProcesses = errors.New("too many processes are attached")

// A Table is this process's view of the process table of one segment. It may be
// used by any number of goroutines.
type Table struct {
	slots     []slot          // in the segment
	keep      any             // keeps the slots mapped
	file      *os.File        // of the segment, for byte locks; immutable
	base      int64           // offset of the first slot in the file, in bytes
	attached  atomic.Bool     // there is a Member
	confirmed []atomic.Uint32 // per slot: threads of the owner with this epoch have stopped
	// per slot: when its owner's byte lock was last looked at, in ns since the start
	checked []atomic.Int64
	lock    *os.File // see Lock; the member's from Attach on

	incidents *incidentLog  // in the segment; nil: incidents are not recorded
	me        atomic.Uint32 // the last member's Owner, for incidents
}

// New views mem, which begins at offset base of file, as a process table. It keeps
// the value keep reachable as long as the table is.
func New(mem []byte, file *os.File, base int64, keep any) *Table {
	slots := slotsIn(mem)
	return &Table{slots: slots, keep: keep, file: file, base: base,
		confirmed: make([]atomic.Uint32, len(slots)), checked: make([]atomic.Int64, len(slots))}
}

// Len is the number of slots.
func (t *Table) Len() int { return len(t.slots) }

// Dead reports whether the owner's process is gone or has detached. When it
// reports true of a process that is gone, no thread of it executes any further instruction.
//
// An id that no process of this table can have is dead: the bytes it was read from are damaged.
func (t *Table) Dead(o Owner) bool {
	n := o.Slot()
	if n >= len(t.slots) {
		return true
	}
	w := t.slots[n].word.Load()
	if epochOf(w) != o.epoch() {
		return true // the process that claimed the slot next has made sure of that
	}
	return t.gone(n, w)
}

// lockGone reports whether the word's owner showed its life in a byte lock that is gone.
func (t *Table) lockGone(n int, w uint64) bool {
	if w&byteLocked == 0 {
		return false
	}
	// No process locks through the descriptor of its segment for longer than a claim takes, so that
	// here it sees the lock of its own attachment, too.
	locked, err := mapping.ByteLocked(t.file, t.byteOf(n))
	if err != nil || locked {
		return false
	}
	// it may have changed hands since; that another process has noted the death changes nothing
	return t.slots[n].word.Load()&^noted == w&^noted
}

func (t *Table) byteOf(n int) int64 { return t.base + int64(n)*SlotBytes }

// stopTime is how long the threads of a dying process have to stop where no membarrier reaches
// them. The interrupts that stop them are on their way when the death is announced, and arrive
// within microseconds.
const stopTime = 500 * time.Microsecond

// confirmDead makes sure, once for each death, that all threads of the process that died with w in
// slot n have stopped. It wakes all sleepers of its liveness word, as the kernel wakes only one.
func (t *Table) confirmDead(n int, w uint64) {
	if w&ownerDied == 0 || t.confirmed[n].Load() == epochOf(w) {
		return // it detached, or lived by a byte lock, which outlives every thread
	}
	if w&unordered != 0 || !futex.Membarrier() {
		time.Sleep(stopTime) // see there
	}
	futex.Wake(t.slots[n].liveness(), math.MaxInt32)
	t.confirmed[n].Store(epochOf(w))
	runtime.KeepAlive(t)
}

// Gone reports whether no living process has slot n. When it reports true, no
// thread of a process that died there executes any further instruction.
func (t *Table) Gone(n int) bool {
	if n < 0 || n >= len(t.slots) {
		return true
	}
	return t.gone(n, t.slots[n].word.Load())
}

// gone reports whether the process that has slot n while it holds w is gone.
func (t *Table) gone(n int, w uint64) bool {
	if alive(w) && !t.lockGone(n, w) {
		return false
	}
	t.confirmDead(n, w)
	t.noteDeath(n, w)
	return true
}

// HasLeft reports whether the owner is known to have detached.
func (t *Table) HasLeft(o Owner) bool {
	n := o.Slot()
	if n >= len(t.slots) {
		return false
	}
	w := t.slots[n].word.Load()
	return epochOf(w) == o.epoch() && w&livenessMask == 0
}

// Liveness returns the word to sleep on while waiting for the owner, and false
// when the owner is dead. After a sleep on it call [Table.WakeAll].
func (t *Table) Liveness(o Owner) (w futex.Word, ok bool) {
	if t.Dead(o) {
		return w, false
	}
	s := &t.slots[o.Slot()]
	word := s.word.Load()
	if epochOf(word) != o.epoch() || !alive(word) || t.lostLock(o.Slot(), word) {
		return w, false
	}
	return futex.Word{Addr: s.liveness(), Val: uint32(word & livenessMask)}, true
}

// NeedsPolling reports whether the owner's death wakes no waiter, so that a waiter must look from
// time to time.
func (t *Table) NeedsPolling(o Owner) bool {
	n := o.Slot()
	return n < len(t.slots) && t.slots[n].word.Load()&byteLocked != 0
}

// WakeAll passes a death on to all sleepers of the owner's liveness word: the
// kernel wakes only one of them. It does nothing while the owner lives.
func (t *Table) WakeAll(w futex.Word) {
	if w.Addr != nil && atomic.LoadUint32(w.Addr) != w.Val {
		futex.Wake(w.Addr, math.MaxInt32)
	}
	runtime.KeepAlive(t)
}

// Owners calls yield with every owner that is attached and not known to be dead.
func (t *Table) Owners(yield func(Owner) bool) {
	for n := range t.slots {
		w := t.slots[n].word.Load()
		if alive(w) && !t.lockGone(n, w) && !yield(ownerOf(n, epochOf(w))) {
			break
		}
	}
	runtime.KeepAlive(t)
}
