package proctab

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
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
	slots []slot          // in the segment
	keep  any             // keeps the slots mapped
	file  *os.File        // of the segment, for byte locks; immutable
	base  int64           // offset of the first slot in the file, in bytes
	own   atomic.Int32    // 1 + the slot that this process has through this table, or 0
	seen  []atomic.Uint32 // per slot: the owner whose death has been fenced
}

// New views mem, which begins at offset base of file, as a process table. It keeps
// the value keep reachable as long as the table is.
func New(mem []byte, file *os.File, base int64, keep any) *Table {
	slots := slotsIn(mem)
	return &Table{slots: slots, keep: keep, file: file, base: base, seen: make([]atomic.Uint32, len(slots))}
}

// Len is the number of slots.
func (t *Table) Len() int { return len(t.slots) }

// Dead reports whether the owner's process is gone or has detached. When it
// reports true, no thread of that process executes any further instruction.
//
// An id that no process of this table can have is dead: the bytes it was read from are damaged.
func (t *Table) Dead(o Owner) bool {
	n := o.Slot()
	if n >= len(t.slots) {
		return true
	}
	w := t.slots[n].word.Load()
	if epochOf(w) == o.epoch() && alive(w) && !t.lockGone(n, w) {
		return false
	}
	t.fence(n, o)
	return true
}

// lockGone reports whether the word's owner showed its life in a byte lock that is gone.
func (t *Table) lockGone(n int, w uint64) bool {
	if w&byteLocked == 0 {
		return false
	}
	locked, err := mapping.ByteLocked(t.file, t.byteOf(n))
	if err != nil || locked {
		return false
	}
	// A lock of this very descriptor does not show, and the slot may have changed hands since.
	return int(t.own.Load()) != n+1 && t.slots[n].word.Load() == w
}

// Gone reports whether no living process has the slot. When it reports true, no
// thread of a process that died there executes any further instruction.
func (t *Table) Gone(n int) bool {
	if n < 0 || n >= len(t.slots) {
		return true
	}
	w := t.slots[n].word.Load()
	if alive(w) && !t.lockGone(n, w) {
		return false
	}
	t.fence(n, ownerOf(n, epochOf(w)))
	return true
}

func (t *Table) byteOf(n int) int64 { return t.base + int64(n)*SlotBytes }

// fence makes sure, once for each death, that the dying process's other threads have stopped.
func (t *Table) fence(n int, o Owner) {
	if t.seen[n].Load() == uint32(o) {
		return
	}
	if !futex.Membarrier() {
		time.Sleep(2 * time.Millisecond) // long enough for an interrupt to reach every thread
	}
	t.seen[n].Store(uint32(o))
}

// Liveness returns the word to sleep on while waiting for the owner, and false
// when the owner is dead. After a sleep on it call [Table.Spread].
func (t *Table) Liveness(o Owner) (w futex.Word, ok bool) {
	if t.Dead(o) {
		return w, false
	}
	s := &t.slots[o.Slot()]
	word := s.word.Load()
	if epochOf(word) != o.epoch() || !alive(word) {
		return w, false
	}
	return futex.Word{Addr: s.liveness(), Val: uint32(word & livenessMask)}, true
}

// Silent reports whether the owner's death wakes nobody, so that a waiter must look for itself.
func (t *Table) Silent(o Owner) bool {
	n := o.Slot()
	return n < len(t.slots) && t.slots[n].word.Load()&byteLocked != 0
}

// Spread passes a death on to all sleepers of the owner's liveness word: the
// kernel wakes only one of them. It does nothing while the owner lives.
func (t *Table) Spread(w futex.Word) {
	if w.Addr != nil && atomic.LoadUint32(w.Addr) != w.Val {
		futex.Wake(w.Addr, math.MaxInt32)
	}
}

// Info describes a process to people.
type Info struct {
	PID     int // in its own PID namespace
	Program string
	Started time.Time // when it attached
}

func (i Info) String() string { return fmt.Sprintf("%s (pid %d)", i.Program, i.PID) }

// Info returns what is known about the owner, dead or alive. It reports false
// when another process has its slot by now.
func (t *Table) Info(o Owner) (Info, bool) {
	n := o.Slot()
	if n >= len(t.slots) {
		return Info{}, false
	}
	s := &t.slots[n]
	i := Info{
		PID:     int(atomic.LoadUint32(&s.pid)),
		Program: string(bytes.TrimRight(bytes.Clone(s.program[:]), "\x00")),
		Started: time.Unix(0, atomic.LoadInt64(&s.started)),
	}
	return i, epochOf(s.word.Load()) == o.epoch()
}

// Owners calls yield with every owner that is attached and not known to be dead.
func (t *Table) Owners(yield func(Owner) bool) {
	for n := range t.slots {
		w := t.slots[n].word.Load()
		if alive(w) && !t.lockGone(n, w) && !yield(ownerOf(n, epochOf(w))) {
			return
		}
	}
}

// Reset frees every slot. Only for a segment that no living process can have
// mapped, as after a reboot; the caller sees to it that nobody attaches meanwhile.
func (t *Table) Reset() {
	for n := range t.slots {
		s := &t.slots[n]
		s.word.Store(freed(s.word.Load()))
	}
}
