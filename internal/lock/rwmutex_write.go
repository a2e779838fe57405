package lock

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Lock waits until no other holder is inside, or ctx ends. It is like [Mutex.LockWith]: the lock is
// held when it returns nil, and otherwise it is not.
func (l *RWMutex) Lock(ctx context.Context, o *LockOptions) error {
	err := l.lockWriters(ctx, o.takeover())
	if err == nil {
		err = l.close(ctx)
	} else {
		err = l.succeed(ctx, err, o)
	}
	runtime.KeepAlive(l)
	return err
}

// Relock is Lock for a caller that must have the lock afterwards: its [*OwnerDiedError] comes with
// the lock. See [RWMutex.RepairHeld].
//
// Errors: [ErrClosed], the context's error: the lock is not held.
func (l *RWMutex) Relock(ctx context.Context) error {
	defer runtime.KeepAlive(l)
	err := l.lockWriters(ctx, takeover{})
	switch {
	case err == nil:
		return l.close(ctx)
	case asDeath(err) == nil:
		return l.refused(err)
	case l.isOwned():
		l.acquired() // #7, #9 -> #8
		return err
	}
	l.reopen() // #6 -> #5
	return l.close(ctx)
}

// RepairHeld is like [Mutex.RepairHeld].
func (l *RWMutex) RepairHeld(died *OwnerDiedError, repair func(*OwnerDiedError) error) error {
	return l.writers.RepairHeld(died, repair)
}

func (l *RWMutex) lockWriters(ctx context.Context, t takeover) error {
	if l.writers.LockFast() { // #1 -> #2
		return nil
	}
	return l.writers.compete(ctx, t)
}

// succeed goes on with err, which locking writers returned. After a death outside of #4 it takes
// the dead writer's place.
func (l *RWMutex) succeed(ctx context.Context, err error, o *LockOptions) error {
	died := asDeath(err)
	switch {
	case died == nil:
		return l.refused(err)
	case !died.held: // #7, #9: reported
		return err
	case l.isOwned(): // #7, #9 -> #8: no living process is inside
		return l.mend(died, o)
	}
	l.reopen() // #6 -> #5
	return l.close(ctx)
}

// reopen makes whole what a process left that died in writers' place, but not inside.
func (l *RWMutex) reopen() {
	l.writers.TryMarkConsistent()
	l.open()
}

// mend repairs what a writer left that died inside. The lock is held, and stays so if that works.
func (l *RWMutex) mend(died *OwnerDiedError, o *LockOptions) error {
	l.acquired()
	if o.Repair == nil { // the writer has died since the look at the lock
		l.unlock() // #8 -> #9
		return died
	}
	return l.repair(died, o)
}

func (l *RWMutex) repair(died *OwnerDiedError, o *LockOptions) error {
	whole := false
	defer func() {
		if !whole { // an error, a panic, or Goexit: #9
			l.wrote.Release()
			l.opened.NotifyAll() // readers report the death, or repair
		}
	}()
	err := l.writers.Repair(died, o.Repair)
	whole = err == nil
	return err
}

// close bars the seats and waits until nobody is inside: #2 -> #4. When it returns an error, nothing is held.
func (l *RWMutex) close(ctx context.Context) error {
	if !l.shut(turnsStay) {
		l.turns.Store(0)
		l.setState(rwClosing) // #2 -> #3
		if err := l.drained.Await(ctx, l.policy, l.shutInTime, l.watchReaders); err != nil {
			l.open() // #3 -> #5
			l.writers.TryUnlock()
			return l.refused(err)
		}
	}
	// SYNC: state: should this process die from here on, what it guards may be half-written.
	l.setState(rwOwned) // #2, #3 -> #4
	l.acquired()
	return nil
}

// TryLock is Lock without waiting. Further errors: [ErrLocked], and the lock is not held.
func (l *RWMutex) TryLock(o *LockOptions) error {
	err := l.tryLock(o)
	if err != nil {
		err = l.refused(err)
	}
	runtime.KeepAlive(l)
	return err
}

func (l *RWMutex) tryLock(o *LockOptions) error {
	err := l.tryWriters(o.takeover())
	died := asDeath(err)
	switch {
	case err == nil:
	case died == nil, !died.held:
		return err
	case l.isOwned(): // #7, #9 -> #8
		return l.mend(died, o)
	default:
		l.reopen() // #6 -> #5
	}
	if !l.isEmpty() { // before anybody is barred for nothing
		l.writers.TryUnlock()
		return ErrLocked
	}
	if !l.shut(turnsIgnored) {
		l.open()
		l.writers.TryUnlock()
		return ErrLocked
	}
	l.setState(rwOwned) // #2 -> #4
	l.acquired()
	return nil
}

// A moment is how long writers may be held by somebody who is not a writer inside, nor waits: it looks that often, with that
// many pauses in between.
const (
	momentLooks  = 32
	momentPauses = 64
)

// tryWriters tries to lock writers, and for a moment again while its holder only comes or goes.
func (l *RWMutex) tryWriters(t takeover) error {
	for look := 0; ; look++ {
		err := l.writers.tryLock(t)
		if err != ErrLocked || look == momentLooks || l.r.state.Load() != rwOpen {
			return err
		}
		cpu.Pause(momentPauses)
	}
}

// Unlock ends what Lock began. A lock that has not been repaired since the death of a writer goes
// on waiting for repair. It reports false when this process is not inside as a writer, and should
// be. Nothing has changed then.
func (l *RWMutex) Unlock() bool {
	ok := l.unlock()
	runtime.KeepAlive(l)
	return ok
}

func (l *RWMutex) unlock() bool {
	w := l.writers.r.word.Load()
	if !isHeldBy(w, l.writers.me) || !l.isOwned() {
		return l.party.Closer.Closed()
	}
	l.wrote.Release()
	if w&suspect != 0 {
		ok := l.writers.TryUnlock() // #8 -> #9
		l.opened.NotifyAll()        // readers report the death, or repair
		return ok
	}
	l.open() // #4 -> #5
	return l.writers.TryUnlock()
}

func (l *RWMutex) setState(s uint32) {
	cpu.StoreRelease32(address(&l.r.state), s)
	crashpoint.Here("rwmutex.state")
}

func (l *RWMutex) acquired() {
	l.wrote.Acquire()
	l.read.Acquire()
}
