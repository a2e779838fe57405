package lock

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
)

// errForsaken says that nobody alive has writers, and that the seat is barred all the same.
var errForsaken = errors.New("the lock is forsaken")

// RLock is the slow path for a reader that has counted itself, see [RWMutex.Seat]. It waits until no writer
// is inside, or ctx ends. A reader that finds the writer dead takes its place until the seats are open again.
//
// Errors:
//   - [*OwnerDiedError]: a writer died inside, and there is no Repair in o.
//   - [ErrClosed], the context's error, that of o.Repair.
//
// The lock is not held with any of them.
func (l *RWMutex) RLock(ctx context.Context, o *LockOptions) error {
	defer runtime.KeepAlive(l)
	crashpoint.Here("rwmutex.counted")
	// A seat that is open now with this reader counted in it lets the reader in, whatever it was before.
	if isOpen(l.seat.Load(), l.me) {
		return l.entered()
	}
	l.retreat()
	for {
		err := l.tryEnter(o)
		if err == ErrLocked {
			err = l.await(ctx)
		}
		switch err {
		case nil:
			return l.entered()
		case errForsaken: // look again
		default:
			return l.refused(err)
		}
	}
}

// TryRLock is RLock without waiting, for a reader that has not counted itself. Further errors: [ErrLocked].
func (l *RWMutex) TryRLock(o *LockOptions) error {
	defer runtime.KeepAlive(l)
	if isOpen(l.seat.Load(), l.me) {
		if isOpen(l.seat.Add(1), l.me) {
			return l.entered()
		}
		l.retreat()
	}
	for look := 0; ; look++ {
		err := l.tryEnter(o)
		if err == nil {
			return l.entered()
		}
		if err != ErrLocked || look == momentLooks || l.r.state.Load() != rwOpen {
			return l.refused(err)
		}
		cpu.Pause(momentPauses) // somebody only comes or goes
	}
}

// tryEnter lets the caller in if its seat is open, or if nobody alive bars it.
func (l *RWMutex) tryEnter(o *LockOptions) error {
	switch {
	case l.party.Closer.Closed():
		return ErrClosed
	case l.enter(1):
		return nil
	case l.isForsaken():
		return l.inherit(o)
	}
	return ErrLocked
}

// entered ends an acquisition. Either it sees here that this process is closing, or the closing sees the reader counted.
func (l *RWMutex) entered() error {
	if l.party.Closer.Closed() {
		l.retreat()
		return l.refused(ErrClosed)
	}
	l.wrote.Acquire()
	return nil
}

// refused ends an operation without success. Once it was told of the close, this process gets no read lock any more.
func (l *RWMutex) refused(err error) error {
	if err == ErrClosed {
		l.shutSelf()
	}
	return err
}

// shutSelf ends the fast path of a process that is closing: whoever comes now finds that the key has changed, looks, and sees
// that the segment is closed. A writer opens barred seats, and cannot undo this. The seat may be another's by now.
func (l *RWMutex) shutSelf() {
	for w := l.seat.Load(); ownerOfSeat(w) == l.me && w&seatLeft == 0; w = l.seat.Load() {
		l.seat.CompareAndSwap(w, w|seatLeft)
	}
}

// retreat takes back one reader that was counted.
func (l *RWMutex) retreat() {
	w := l.seat.Add(^uint64(0))
	crashpoint.Here("rwmutex.retreated")
	l.left(w)
}

// left tells the writer who waits for it that the seat, which is w now, counts nobody any more.
func (l *RWMutex) left(w uint64) {
	if w&seatBarred != 0 && !hasReaders(w) {
		l.drained.Notify()
	}
}

// RUnlock is the slow path for a reader that has uncounted itself, which made its seat w. It reports false when there
// was no reader, and should have been. Nothing has changed then.
func (l *RWMutex) RUnlock(w uint64) bool {
	defer runtime.KeepAlive(l)
	if !isWhole(w, l.me) {
		l.seat.Add(1) // in the memory of a closed segment it does not matter
		return l.party.Closer.Closed()
	}
	l.left(w)
	return true
}

// Leaves tells the race detector that a reader is about to leave.
func (l *RWMutex) Leaves() {
	if hasReaders(l.seat.Load()) {
		l.read.ReleaseMerge()
	}
}

// enter lets in so many readers, and all who wait in this process, if its seat is open, and reports whether it could.
//
// What a death leaves behind: a seat of the dead.
func (l *RWMutex) enter(n int) bool {
	l.crowd.mu.Lock()
	defer l.crowd.mu.Unlock()
	for {
		w := l.seat.Load()
		if !isOpen(w, l.me) {
			return false
		}
		if l.seat.CompareAndSwap(w, w&^uint64(seatWaits)+uint64(n+len(l.crowd.guests))) {
			crashpoint.Here("rwmutex.entered")
			l.crowd.admit()
			if hasTurn(w) { // SYNC: turn: the writer that lets it pass sees these readers counted, and waits for them alone.
				l.drained.Notify()
			}
			return true
		}
	}
}
