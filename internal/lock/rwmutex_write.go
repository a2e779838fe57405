package lock

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Lock waits until nobody else is inside, or ctx ends. Repair and deadlock are as for [Mutex.LockDetect].
//
// Errors:
//   - [ErrOwnerDied], when repair is nil: the lock IS held.
//   - [ErrNotRecoverable], [ErrClosed], the context's error, those of repair and deadlock: the lock is not held.
func (l *RWMutex) Lock(ctx context.Context, repair func() error, deadlock func([]Posting) error) error {
	var err error
	if !l.writers.lockFast() { // #1 -> #2
		err = l.writers.LockDetect(ctx, nil, deadlock)
	}
	if err == nil {
		err = l.close(ctx)
	} else {
		err = l.succeed(ctx, err, repair)
	}
	runtime.KeepAlive(l)
	return err
}

// succeed goes on with err, which locking writers has returned: when somebody died, l takes its place.
func (l *RWMutex) succeed(ctx context.Context, err error, repair func() error) error {
	switch {
	case !errors.Is(err, ErrOwnerDied):
		return l.refused(err)
	case l.r.state.Load() == rwOwned: // #7 -> #8: nobody is inside but who died
		return l.mend(err, repair)
	}
	l.reopen() // #6 -> #5
	return l.close(ctx)
}

// reopen makes whole what somebody left who died in writers' place, but not inside.
func (l *RWMutex) reopen() {
	l.writers.TryMarkConsistent()
	l.open()
}

// mend repairs what a writer left that died inside, if there is a way to. The lock is held and stays so if that works.
func (l *RWMutex) mend(died error, repair func() error) error {
	l.acquired()
	if repair == nil {
		return died
	}
	return l.repair(repair)
}

func (l *RWMutex) repair(repair func() error) error {
	whole := false
	defer func() {
		if !whole { // an error, a panic, or Goexit: writers is free, #9
			l.opened.NotifyAll() // readers shall know
		}
	}()
	err := l.writers.Repair(repair)
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
func (l *RWMutex) TryLock(repair func() error) error {
	err := l.tryLock(repair)
	if err != nil {
		err = l.refused(err)
	}
	runtime.KeepAlive(l)
	return err
}

func (l *RWMutex) tryLock(repair func() error) error {
	err := l.tryWriters()
	switch {
	case err == nil:
	case !errors.Is(err, ErrOwnerDied):
		return err
	case l.r.state.Load() == rwOwned: // #7 -> #8
		return l.mend(err, repair)
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
func (l *RWMutex) tryWriters() error {
	for look := 0; ; look++ {
		err := l.writers.TryLock()
		if err != ErrLocked || look == momentLooks || l.r.state.Load() != rwOpen {
			return err
		}
		cpu.Pause(momentPauses)
	}
}

// Unlock ends what Lock began. It reports false when this process is not inside as a writer, and should be. Nothing has
// changed then.
func (l *RWMutex) Unlock() bool {
	ok := l.unlock()
	runtime.KeepAlive(l)
	return ok
}

func (l *RWMutex) unlock() bool {
	w := l.writers.r.word.Load()
	if !isHeldBy(w, l.writers.me) || l.r.state.Load() != rwOwned {
		return l.party.Closer.Closed()
	}
	l.wrote.Release()
	if w&suspect != 0 {
		ok := l.writers.TryUnlock() // #8 -> #10
		l.opened.NotifyAll()
		return ok
	}
	l.open() // #4 -> #5
	return l.writers.TryUnlock()
}

// MarkConsistent says that what the lock guards is whole after [ErrOwnerDied]. It reports false when this process is not
// inside as a writer, and should be.
func (l *RWMutex) MarkConsistent() bool { return l.writers.TryMarkConsistent() } // #8 -> #4

// Abandon leaves a lock that is held after [ErrOwnerDied] to the next one, as it was found: #8 -> #9.
func (l *RWMutex) Abandon() {
	l.wrote.Release()
	l.writers.Abandon()
	l.opened.NotifyAll()
}

func (l *RWMutex) setState(s uint32) {
	cpu.StoreRelease32(address(&l.r.state), s)
	crashpoint.Here("rwmutex.state")
}

func (l *RWMutex) acquired() {
	l.wrote.Acquire()
	l.read.Acquire()
}
