package lock

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/proctab"
)

// isForsaken reports whether no living process has writers, or only an offer of it that it may not take.
func (l *RWMutex) isForsaken() bool {
	w := l.writers.r.word.Load()
	owner := proctab.Owner(ownerOf(w))
	return w&handed != 0 || owner == 0 || owner != l.me && l.party.Member.Table().Dead(owner)
}

// inherit takes writers' place to open the seats, if that is possible at once, and lets the caller in.
//
// Errors: those of RLock; [ErrLocked] when another holder has writers.
func (l *RWMutex) inherit(o *LockOptions) error {
	err := l.writers.tryLock(o.takeover()) // #1 -> #5, #6 -> #5, #7 -> #8, #9 -> #8
	died := asDeath(err)
	switch {
	case err == nil:
	case died == nil, !died.held:
		return err
	case l.isOwned():
		if err := l.mend(died, o); err != nil { // #8 -> #4
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
		return ErrLocked // the bytes are damaged, or this process is closing
	}
	return nil
}

// unsettledLooks is how often restore looks at a seat that counts less than nobody.
const unsettledLooks = 1000

// restore puts the seat of this process right that others have overwritten.
//
// Preconditions: writers is held, and the seats are open.
func (l *RWMutex) restore() {
	w := l.seat.Load()
	for looks := 0; ownerOfSeat(w) == l.me && !isWhole(w, l.me) && looks < unsettledLooks; looks++ {
		runtime.Gosched() // it is more likely that a RUnlock too many is about to be taken back
		w = l.seat.Load()
	}
	if !isOpen(w, l.me) && !l.party.Closer.Closed() {
		fresh := uint64(l.me)<<seatOwnerShift | seatGuard
		if isWhole(w, l.me) {
			fresh |= w & seatCount
		}
		l.seat.CompareAndSwap(w, fresh)
		l.seats.uphold()
	}
}
