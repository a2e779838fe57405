package lock

import (
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// AsOwnerDied returns err if it reports the death of an owner, else nil.
func AsOwnerDied(err error) *OwnerDiedError {
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

// Inconsistent returns the death of the last owner when this process holds the lock and has not
// repaired what that owner left; nil otherwise.
func (m *Mutex) Inconsistent() *OwnerDiedError {
	defer runtime.KeepAlive(m)
	if m.r.word.Load() != m.me|inconsistent {
		return nil
	}
	return m.death(m.r.dead.Load())
}

// TryMarkConsistent says that what the lock guards is whole again after an [*OwnerDiedError] that
// came with the lock. It does nothing when the lock is consistent. It reports false, and changes
// nothing, when this process does not hold the lock and its segment is not closed.
func (m *Mutex) TryMarkConsistent() bool {
	defer runtime.KeepAlive(m)
	if m.r.word.CompareAndSwap(m.me|inconsistent, m.me) { // #5 -> #2
		crashpoint.Here("lock.consistent")
		return true
	}
	return isHeldBy(m.r.word.Load(), m.me) || m.closer.Closed()
}

// deathToReport returns the death for which an attempt does not change the word from w to next; nil
// when it may.
func (m *Mutex) deathToReport(t takeover, w, next uint32) error {
	if !t.reports || next&inconsistent == 0 || m.NeedsRepair != nil && !m.NeedsRepair() {
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
	died := &OwnerDiedError{Owner: proctab.Owner(dead & proctab.OwnerMask), Noticed: m.noticed(dead)}
	if i, ok := m.party.Member.Table().Info(proctab.Owner(dead & proctab.OwnerMask)); ok {
		died.PID, died.Program, died.Attached = i.PID, i.Program, i.Started
	}
	return died
}

// The obituary of a lock is one word that dates the death of an owner:
//
//	bits  0..47  when a locker saw the death first, in units of 2^14 ns since 1970
//	bits 48..63  the low bits of the dead owner's id: the slot, and a part of the epoch
//
// The first locker that sees a death writes it, whether it takes the lock or not. It is for people
// only. An obituary of another owner is replaced, so that a process that dies in between leaves
// nothing to mend.
const (
	obituaryTick  = 14
	obituaryShift = 48
	obituaryTime  = 1<<obituaryShift - 1
)

// ObituaryBytes is how much shared memory [Mutex.RecordDeaths] needs, aligned to 8 bytes. Zeros are
// none.
const ObituaryBytes = 8

// RecordDeaths has deaths of owners dated in the first [ObituaryBytes] of mem. It is called before
// the first use.
func (m *Mutex) RecordDeaths(mem []byte) { m.obituary = wordIn(mem) }

// noticed returns when a locker saw first that the owner died, and makes this locker the first if
// there was none. It is zero where deaths are not recorded.
func (m *Mutex) noticed(dead uint32) time.Time {
	if m.obituary == nil {
		return time.Time{}
	}
	key := uint64(dead) << obituaryShift
	old := m.obituary.Load()
	if old&^obituaryTime == key && old&obituaryTime != 0 {
		return obituaryDate(old)
	}
	now := key | uint64(time.Now().UnixNano())>>obituaryTick&obituaryTime
	if !m.obituary.CompareAndSwap(old, now) {
		if seen := m.obituary.Load(); seen&^obituaryTime == key {
			now = seen
		}
	}
	return obituaryDate(now)
}

func obituaryDate(w uint64) time.Time { return time.Unix(0, int64(w&obituaryTime<<obituaryTick)) }
