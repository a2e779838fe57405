package lock

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// MarkConsistent says that what the lock guards is whole again after [ErrOwnerDied].
// It does nothing when that was said before. It panics when this process does not hold the
// lock, unless the segment is closed.
func (m *Mutex) MarkConsistent() {
	if !m.TryMarkConsistent() {
		panic("lock.Mutex.MarkConsistent: this process does not hold the lock")
	}
}

// TryMarkConsistent is MarkConsistent that reports false where MarkConsistent panics. Nothing has changed then.
func (m *Mutex) TryMarkConsistent() bool {
	defer runtime.KeepAlive(m)
	if m.r.word.CompareAndSwap(m.me|suspect, m.me) { // #5 -> #2
		crashpoint.Here("lock.consistent")
		return true
	}
	return isHeldBy(m.r.word.Load(), m.me) || m.closer.Closed()
}

// LockRepair is Lock with a function that makes whole what a dead holder left; it
// runs while the lock is held. When it fails, or panics, the lock is left to the next locker
// as it was found. Without a function it is Lock.
//
// Errors: those of Lock, but not [ErrOwnerDied] if there is a function, and that of repair; the lock is not held.
func (m *Mutex) LockRepair(ctx context.Context, repair func() error) error {
	if m.lockFast() {
		return nil
	}
	return m.mend(m.lockSlow(ctx), repair)
}

// LockDetect is LockRepair with a function that makes an error of the cycle of waits that this one would close, before it has slept.
// The first of them is this process's, and what each waits for the next one holds. Without a function it is LockRepair.
//
// Errors: those of LockRepair, and that of deadlock; the lock is not held.
func (m *Mutex) LockDetect(ctx context.Context, repair func() error, deadlock func([]Posting) error) error {
	if m.lockFast() {
		return nil
	}
	return m.mend(m.compete(ctx, deadlock), repair)
}

// TryLockRepair is LockRepair without waiting. Further errors: [ErrLocked], and the lock is not held.
func (m *Mutex) TryLockRepair(repair func() error) error {
	return m.mend(m.TryLock(), repair)
}

func (m *Mutex) mend(err error, repair func() error) error {
	if err == nil || repair == nil || !errors.Is(err, ErrOwnerDied) {
		return err
	}
	return m.Repair(repair)
}

// Repair is the second half of [Mutex.LockRepair], for a lock that is held after [ErrOwnerDied].
func (m *Mutex) Repair(repair func() error) (err error) {
	whole := false
	defer func() {
		if !whole { // an error, a panic, or Goexit
			m.Abandon()
		}
	}()
	if err := repair(); err != nil {
		return err
	}
	m.MarkConsistent()
	whole = true
	return nil
}

// Abandon leaves a lock that is held after [ErrOwnerDied] to the next locker, as it was found.
func (m *Mutex) Abandon() {
	m.shadow.Release()
	m.abandon()
}

func (m *Mutex) abandon() {
	for {
		w := m.r.word.Load()
		if !isHeldBy(w, m.me) {
			break
		}
		if m.r.word.CompareAndSwap(w, suspect) { // #5 -> #6
			crashpoint.Here("lock.abandoned")
			m.r.bell.ring(enough)
			break
		}
	}
	runtime.KeepAlive(m)
}

// death is the error that says whose death left the lock suspect.
func (m *Mutex) death() error {
	who, _ := m.party.Member.Table().Info(proctab.Owner(ownerOf(m.r.dead.Load())))
	return &OwnerDiedError{PID: who.PID, Program: who.Program, Attached: who.Started}
}
