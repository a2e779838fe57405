package rwmutex

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
)

// Lock waits until no other holder is inside, or ctx ends. It is like [lock.Mutex.LockWith]: the
// lock is held when it returns nil, and otherwise it is not.
func (l *Lock) Lock(ctx context.Context, o *lock.LockOptions) error {
	err := l.writers.LockToRepair(ctx, o) // #1 -> #2
	if err == nil {
		err = l.close(ctx)
	} else {
		err = l.takeOver(ctx, err, o)
	}
	runtime.KeepAlive(l)
	return err
}

// Relock is Lock for a caller that must have the lock afterwards: its [*lock.OwnerDiedError] comes
// with the lock. See [Lock.RepairHeld].
//
// Errors: [lock.ErrClosed], the context's error: the lock is not held.
func (l *Lock) Relock(ctx context.Context) error {
	defer runtime.KeepAlive(l)
	err := l.writers.Lock(ctx)
	switch {
	case err == nil:
		return l.close(ctx)
	case lock.AsOwnerDied(err) == nil:
		return l.refused(err)
	case l.isOwned():
		l.acquired() // #7, #9 -> #8
		return err
	}
	l.reopen() // #6 -> #5
	return l.close(ctx)
}

// RepairHeld is like [lock.Mutex.RepairHeld].
func (l *Lock) RepairHeld(died *lock.OwnerDiedError, repair func(*lock.OwnerDiedError) error) error {
	return l.writers.RepairHeld(died, repair)
}

// takeOver goes on with err, which locking writers returned. After a death outside of #4 it takes
// the dead writer's place.
func (l *Lock) takeOver(ctx context.Context, err error, o *lock.LockOptions) error {
	died := lock.AsOwnerDied(err)
	switch {
	case died == nil:
		return l.refused(err)
	case !died.WithLock(): // #7, #9: reported
		return err
	case l.isOwned(): // #7, #9 -> #8: no living process is inside
		return l.repairAfterDeath(died, o)
	}
	l.reopen() // #6 -> #5
	return l.close(ctx)
}

// reopen makes whole what a process left that died in writers' place, but not inside.
func (l *Lock) reopen() {
	l.writers.TryMarkConsistent()
	l.open()
}

// repairAfterDeath repairs what a writer left that died inside. The lock is held, and stays so if
// that works.
func (l *Lock) repairAfterDeath(died *lock.OwnerDiedError, o *lock.LockOptions) error {
	l.acquired()
	if o.Repair == nil { // the writer has died since the look at the lock
		l.unlock() // #8 -> #9
		return died
	}
	return l.repair(died, o)
}

func (l *Lock) repair(died *lock.OwnerDiedError, o *lock.LockOptions) error {
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

// close blocks the cells and waits until no reader is inside: #2 -> #4. When it returns an error,
// nothing is held.
func (l *Lock) close(ctx context.Context) error {
	if !l.closeAll(turnsStay) {
		l.turns.Store(0)
		l.setState(stateClosing) // #2 -> #3
		if err := l.drained.Await(ctx, l.policy, l.closeAllInTime, l.watchReaders); err != nil {
			l.open() // #3 -> #5
			l.writers.TryUnlock()
			return l.refused(err)
		}
	}
	// SYNC: state: should this process die from here on, what it guards may be half-written.
	l.setState(stateOwned) // #2, #3 -> #4
	l.acquired()
	return nil
}

// TryLock is Lock without waiting. Further errors: [lock.ErrLocked], and the lock is not held.
func (l *Lock) TryLock(o *lock.LockOptions) error {
	err := l.tryLock(o)
	if err != nil {
		err = l.refused(err)
	}
	runtime.KeepAlive(l)
	return err
}

func (l *Lock) tryLock(o *lock.LockOptions) error {
	err := l.tryWriters(o)
	died := lock.AsOwnerDied(err)
	switch {
	case err == nil:
	case died == nil, !died.WithLock():
		return err
	case l.isOwned(): // #7, #9 -> #8
		return l.repairAfterDeath(died, o)
	default:
		l.reopen() // #6 -> #5
	}
	if !l.isEmpty() { // before a reader is blocked for nothing
		l.writers.TryUnlock()
		return lock.ErrLocked
	}
	if !l.closeAll(turnsIgnored) {
		l.open()
		l.writers.TryUnlock()
		return lock.ErrLocked
	}
	l.setState(stateOwned) // #2 -> #4
	l.acquired()
	return nil
}

// A moment is how long writers may be held by a process that is neither a writer inside nor waits:
// TryLock looks that often, with that many pauses in between.
const (
	momentLooks  = 32
	momentPauses = 64
)

// tryWriters tries to lock writers, and for a moment again while its holder only comes or goes.
func (l *Lock) tryWriters(o *lock.LockOptions) error {
	for look := 0; ; look++ {
		err := l.writers.TryLockToRepair(o)
		if err != lock.ErrLocked || look == momentLooks || l.r.state.Load() != stateOpen {
			return err
		}
		cpu.Pause(momentPauses)
	}
}

// Unlock ends what Lock began. A lock that has not been repaired since the death of a writer goes
// on waiting for repair. It reports false when this process is not inside as a writer, and should
// be. Nothing has changed then.
func (l *Lock) Unlock() bool {
	ok := l.unlock()
	runtime.KeepAlive(l)
	return ok
}

func (l *Lock) unlock() bool {
	held, inconsistent := l.writers.State()
	switch {
	case !held: // nothing changes
		return l.writers.TryUnlock()
	case !l.isOwned():
		return l.party.Closer.Closed()
	}
	l.wrote.Release()
	if inconsistent {
		ok := l.writers.TryUnlock() // #8 -> #9
		l.opened.NotifyAll()        // readers report the death, or repair
		return ok
	}
	l.open() // #4 -> #5
	return l.writers.TryUnlock()
}

func (l *Lock) setState(s uint32) {
	cpu.StoreRelease32(l.r.stateAddress(), s)
	crashpoint.Here("rwmutex.state")
}

func (l *Lock) acquired() {
	l.wrote.Acquire()
	l.read.Acquire()
}
