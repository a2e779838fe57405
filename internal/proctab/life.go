package proctab

import (
	"os"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
)

// Besides the robust list, which tells of a death at once, the byte locks of the file are evidence
// of life: the kernel holds them for a descriptor, and no writer of the segment can forge them or
// take them away.

// Lock returns the descriptor that the locks of this process's member belong to, or nil where there
// is none. It is opened by the first call, and closed by Detach or CloseLock. Children that inherit
// the segment's descriptor would share its locks, and keep them when the process is dead.
func (t *Table) Lock() *os.File {
	if t.lock == nil {
		f, err := mapping.Reopen(t.file)
		if err != nil {
			return nil
		}
		t.lock = f
		theKeeper().locks.Store(f, nil)
	}
	return t.lock
}

// CloseLock closes what Lock has opened. It is for a table that gets no member.
func (t *Table) CloseLock() {
	if t.lock != nil {
		theKeeper().locks.Delete(t.lock)
		t.lock.Close()
		t.lock = nil
	}
}

// lockPeriod is how often a table looks at the byte lock of an owner that is waited for.
const lockPeriod = time.Second

var started = time.Now()

// lostLock reports whether the owner of slot n, which lives if w is right, has lost the byte lock
// that it has as long as it lives. It looks once a lockPeriod. The slot is marked then as the
// kernel does it: a writer of another segment can keep the kernel from that, see the package's
// documentation.
func (t *Table) lostLock(n int, w uint64) bool {
	if !t.attached.Load() { // this process only reads
		return false
	}
	now := int64(time.Since(started))
	if last := t.checked[n].Load(); w&locked == 0 || now-last < int64(lockPeriod) || !t.checked[n].CompareAndSwap(last, now) {
		return false
	}
	has, err := mapping.ByteLocked(t.file, t.byteOf(n))
	if err != nil || has {
		return false
	}
	dead := w&^tidMask | ownerDied
	if t.slots[n].word.CompareAndSwap(w, dead) { // #2 -> #3
		crashpoint.Here("proctab.lost")
		t.confirmDead(n, dead)
		t.noteDeath(n, dead)
	}
	return true
}

// Stale reports whether a slot seems to belong to a living process that cannot be one.
//
// Preconditions: no process has the file locked, so that none is attached that could lock it. If
// rebooted, the processes that could not do that are gone, too.
func (t *Table) Stale(rebooted bool) bool {
	for n := range t.slots {
		if t.stale(n, rebooted) {
			return true
		}
	}
	return false
}

func (t *Table) stale(n int, rebooted bool) bool {
	w := t.slots[n].word.Load()
	return w&livenessMask != 0 && (rebooted || w&(locked|byteLocked) != 0)
}

// AllUnlocked reports whether no slot belongs to a process that has locked its byte.
func (t *Table) AllUnlocked() bool {
	for n := range t.slots {
		if w := t.slots[n].word.Load(); alive(w) && w&(locked|byteLocked) != 0 {
			return false
		}
	}
	return true
}

// Reset frees the slots that are stale, and calls freed with the number of each. Preconditions:
// those of Stale; the caller sees to it that no process attaches meanwhile.
func (t *Table) Reset(rebooted bool, freedSlot func(n int)) {
	for n := range t.slots {
		if t.stale(n, rebooted) {
			s := &t.slots[n]
			freedSlot(n)
			s.word.Store(freed(epochOf(s.word.Load())))
		}
	}
	runtime.KeepAlive(t)
}
