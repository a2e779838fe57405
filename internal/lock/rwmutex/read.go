package rwmutex

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
)

// errOrphaned says that no living process has writers, and that the cell is blocked all the same.
var errOrphaned = errors.New("the lock is orphaned")

// RLock is the slow path for a reader that has counted itself, see [Lock.Cell]. It waits until no
// writer is inside, or ctx ends. A reader that finds the writer dead takes its place until the
// cells are open again.
//
// Errors:
//   - [*lock.OwnerDiedError]: a writer died inside, and there is no Repair in o.
//   - [lock.ErrClosed], the context's error, that of o.Repair.
//
// The lock is not held with any of them.
func (l *Lock) RLock(ctx context.Context, o *lock.LockOptions) error {
	defer runtime.KeepAlive(l)
	crashpoint.Here("rwmutex.counted")
	// A cell that is open now with this reader counted in it lets the reader in, whatever it was
	// before.
	if isOpen(l.cell.Load(), l.me) {
		return l.entered()
	}
	l.undoArrival()
	for {
		err := l.tryEnter(o)
		if err == lock.ErrLocked {
			err = l.awaitTurn(ctx)
		}
		switch err {
		case nil:
			return l.entered()
		case errOrphaned: // look again
		default:
			return l.refused(err)
		}
	}
}

// TryRLock is RLock without waiting, for a reader that has not counted itself. Further errors:
// [lock.ErrLocked].
func (l *Lock) TryRLock(o *lock.LockOptions) error {
	defer runtime.KeepAlive(l)
	if isOpen(l.cell.Load(), l.me) {
		if isOpen(l.cell.Add(1), l.me) {
			return l.entered()
		}
		l.undoArrival()
	}
	for look := 0; ; look++ {
		err := l.tryEnter(o)
		if err == nil {
			return l.entered()
		}
		if err != lock.ErrLocked || look == momentLooks || l.r.state.Load() != stateOpen {
			return l.refused(err)
		}
		cpu.Pause(momentPauses) // the holder of writers only comes or goes
	}
}

// tryEnter lets the caller in if its cell is open, or if no living process blocks it.
func (l *Lock) tryEnter(o *lock.LockOptions) error {
	switch {
	case l.party.Closer.Closed():
		return lock.ErrClosed
	case l.enter(1):
		return nil
	case !l.writers.HasLiveHolder():
		return l.recoverAsReader(o)
	}
	return lock.ErrLocked
}

// entered ends an acquisition. Either it sees here that this process is closing, or the closing
// sees the reader counted.
func (l *Lock) entered() error {
	if l.party.Closer.Closed() {
		l.undoArrival()
		return l.refused(lock.ErrClosed)
	}
	l.wrote.Acquire()
	return nil
}

// refused ends an operation without success. Once it was told of the close, this process gets no
// read lock any more.
func (l *Lock) refused(err error) error {
	if err == lock.ErrClosed {
		l.closeOwnCell()
	}
	return err
}

// closeOwnCell ends the fast path of a process that is closing: a later reader finds that the key
// has changed, looks, and sees that the segment is closed. A writer opens blocked cells, and cannot
// undo this. The cell may be another's by now.
func (l *Lock) closeOwnCell() {
	for w := l.cell.Load(); lock.CellOwner(w) == l.me && w&cellClosing == 0; w = l.cell.Load() {
		l.cell.CompareAndSwap(w, w|cellClosing)
	}
}

// undoArrival takes back one reader that was counted.
func (l *Lock) undoArrival() {
	w := l.cell.Add(^uint64(0))
	crashpoint.Here("rwmutex.retreated")
	l.tellDrained(w)
}

// tellDrained tells a waiting writer that the cell, which is w now, counts no reader any more.
func (l *Lock) tellDrained(w uint64) {
	if w&cellBlocked != 0 && !hasReaders(w) {
		l.drained.NotifyAll()
	}
}

// RUnlock is the slow path for a reader that has uncounted itself, which made its cell w. It
// reports false when there was no reader, and should have been. Nothing has changed then.
func (l *Lock) RUnlock(w uint64) bool {
	defer runtime.KeepAlive(l)
	if !isWhole(w, l.me) {
		l.cell.Add(1) // in the memory of a closed segment it does not matter
		// A RUnlock too many leaves the owner in the cell. Without it the cell was overwritten, and
		// the lock is held no more.
		return l.party.Closer.Closed() || lock.CellOwner(w) != l.me
	}
	l.tellDrained(w)
	return true
}

// NoteLeave tells the race detector that a reader is about to leave.
func (l *Lock) NoteLeave() {
	if hasReaders(l.cell.Load()) {
		l.read.ReleaseMerge()
	}
}

// enter lets in n readers, and all waiting readers of this process, if its cell is open, and
// reports whether it could.
//
// What a death leaves behind: a cell of the dead.
func (l *Lock) enter(n int) bool {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	for {
		w := l.cell.Load()
		if !isOpen(w, l.me) {
			return false
		}
		if l.cell.CompareAndSwap(w, w&^uint64(cellWaits)+uint64(n+len(l.queue.waiting))) {
			crashpoint.Here("rwmutex.entered")
			l.queue.admitAll()
			// SYNC: turn: the writer that lets it pass sees these readers counted, and waits for
			// them alone.
			if hasTurn(w) {
				l.drained.NotifyAll()
			}
			return true
		}
	}
}

// recoverAsReader takes writers' place to open the cells, if that is possible at once, and lets the
// caller in.
//
// Errors: those of RLock; [lock.ErrLocked] when another holder has writers.
func (l *Lock) recoverAsReader(o *lock.LockOptions) error {
	err := l.writers.TryLockToRepair(o) // #1 -> #5, #6 -> #5, #7 -> #8, #9 -> #8
	died := lock.AsOwnerDied(err)
	switch {
	case err == nil:
	case died == nil, !died.WithLock():
		return err
	case l.isOwned():
		if err := l.repairAfterDeath(died, o); err != nil { // #8 -> #4
			return err
		}
	default:
		l.writers.TryMarkConsistent()
	}
	l.open() // #4 -> #5
	l.restore()
	in := l.enter(1)
	l.writers.TryUnlock()
	if !in {
		return lock.ErrLocked // the bytes are damaged, or this process is closing
	}
	return nil
}

// unsettledLooks is how often restore looks at a cell that counts less than 0.
const unsettledLooks = 1000

// restore puts the cell of this process right that others have overwritten.
//
// Preconditions: writers is held, and the cells are open.
func (l *Lock) restore() {
	w := l.cell.Load()
	for looks := 0; lock.CellOwner(w) == l.me && !isWhole(w, l.me) && looks < unsettledLooks; looks++ {
		runtime.Gosched() // it is more likely that a RUnlock too many is about to be taken back
		w = l.cell.Load()
	}
	if !isOpen(w, l.me) && !l.party.Closer.Closed() {
		fresh := uint64(l.me)<<lock.CellOwnerShift | cellGuard
		if isWhole(w, l.me) {
			fresh |= w & cellCount
		}
		l.cell.CompareAndSwap(w, fresh)
		l.slots.RestoreHigh()
	}
}
