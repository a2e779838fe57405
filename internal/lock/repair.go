package lock

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// LockOptions say what an attempt to lock does besides waiting.
type LockOptions struct {
	// Repair makes whole what a dead owner left. It runs while the lock is held. Without it a lock
	// that waits for repair is not taken.
	Repair func(*OwnerDiedError) error

	// Deadlock makes an error of the cycle of waits that this one would close, before its first
	// sleep. The first of them is this process's, and what each waits for the next one holds.
	// Without it there is no search.
	Deadlock func([]Wait) error
}

// A takeover says what an attempt does with a lock whose owner died, and with a cycle of waits.
type takeover struct {
	reports  bool // leaves the lock as it is, and reports the death
	deadlock func([]Wait) error
}

func (o *LockOptions) takeover() takeover {
	return takeover{reports: o.Repair == nil, deadlock: o.Deadlock}
}

// LockWith waits until the lock is free, its owner dies, or ctx ends. A lock that is free at once
// is taken even when ctx has ended. The lock is held when it returns nil, and otherwise it is not.
//
// Errors:
//   - [*OwnerDiedError]: the lock waits for repair, and there is no Repair in o.
//   - [ErrClosed], the context's error, those of o.Repair and o.Deadlock.
func (m *Mutex) LockWith(ctx context.Context, o *LockOptions) error {
	if m.LockFast() {
		return nil
	}
	return m.mend(m.compete(ctx, o.takeover()), o)
}

// TryLockWith is LockWith without waiting. Further errors: [ErrLocked].
func (m *Mutex) TryLockWith(o *LockOptions) error { return m.mend(m.tryLock(o.takeover()), o) }

func (m *Mutex) mend(err error, o *LockOptions) error {
	if died := asDeath(err); died != nil && o.Repair != nil {
		return m.Repair(died, o.Repair)
	}
	return err
}

// asDeath returns err if it reports the death of an owner, else nil.
func asDeath(err error) *OwnerDiedError {
	died, _ := err.(*OwnerDiedError)
	return died
}

// Repair runs repair for a lock that is held after died. When that fails, panics or ends its
// goroutine, the lock goes on waiting for repair, and is not held.
//
// Errors: that of repair; [ErrClosed]; [ErrNotHeld] when repair unlocked the lock, or its bytes
// were overwritten.
func (m *Mutex) Repair(died *OwnerDiedError, repair func(*OwnerDiedError) error) (err error) {
	whole := false
	defer func() {
		if !whole { // an error, a panic, or Goexit
			m.TryUnlock() // false when repair has done so
		}
	}()
	if err := m.RepairHeld(died, repair); err != nil {
		return err
	}
	whole = true
	return nil
}

// RepairHeld is Repair that keeps the lock in any case. One that is not repaired goes on waiting
// for repair when it is unlocked.
func (m *Mutex) RepairHeld(died *OwnerDiedError, repair func(*OwnerDiedError) error) error {
	if err := repair(died); err != nil {
		return err
	}
	switch {
	case m.closer.Closed():
		return ErrClosed
	case !m.TryMarkConsistent():
		return ErrNotHeld
	}
	return nil
}

// ErrNotHeld says that a lock was not held any more when it should have been.
var ErrNotHeld = errors.New("the lock was unlocked by its repair function, or overwritten")

// Inconsistent returns the death of the last owner when this process holds the lock and has not
// repaired what that owner left; nil otherwise.
func (m *Mutex) Inconsistent() *OwnerDiedError {
	defer runtime.KeepAlive(m)
	if m.r.word.Load() != m.me|suspect {
		return nil
	}
	return m.death(m.r.dead.Load())
}

// TryMarkConsistent says that what the lock guards is whole again after an [*OwnerDiedError] that
// came with the lock. It does nothing when the lock is consistent. It reports false, and changes
// nothing, when this process does not hold the lock and its segment is not closed.
func (m *Mutex) TryMarkConsistent() bool {
	defer runtime.KeepAlive(m)
	if m.r.word.CompareAndSwap(m.me|suspect, m.me) { // #5 -> #2
		crashpoint.Here("lock.consistent")
		return true
	}
	return isHeldBy(m.r.word.Load(), m.me) || m.closer.Closed()
}

// refuses returns the death for which an attempt does not change the word from w to next; nil when
// it may.
func (m *Mutex) refuses(t takeover, w, next uint32) error {
	if !t.reports || next&suspect == 0 || m.damaged != nil && !m.damaged() {
		return nil
	}
	dead := ownerOf(w) // #4
	if dead == 0 {     // #6
		dead = m.r.dead.Load()
	}
	if m.r.word.Load() != w {
		return nil // take fails, and the attempt looks again
	}
	return m.death(dead)
}

// death is the error that says which process died.
func (m *Mutex) death(dead uint32) *OwnerDiedError {
	died := &OwnerDiedError{Noticed: m.noticed(dead)}
	if i, ok := m.party.Member.Table().Info(proctab.Owner(dead & proctab.OwnerMask)); ok {
		died.PID, died.Program, died.Attached = i.PID, i.Program, i.Started
	}
	return died
}
