package lock

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// The bits of a lock's word; see the state table in the package's documentation.
const (
	handed       = 1 << 31 // given to the owner, which has not taken it yet
	inconsistent = 1 << 30 // an owner died, and what the lock guards has not been repaired since
)

func ownerOf(w uint32) uint32 { return w & proctab.OwnerMask }

// isHandedTo reports whether the lock waits for p to take it.
func isHandedTo(w, p uint32) bool { return w&handed != 0 && ownerOf(w) == p }

// isHeldBy reports whether p holds the lock, rather than only having been handed it.
func isHeldBy(w, p uint32) bool { return w&handed == 0 && ownerOf(w) == p }

// A Party is a process's attachment to a segment, as far as locks care.
type Party struct {
	Member *proctab.Member
	Closer *wait.Closer // closed when the process is about to detach
	Keep   any          // keeps the segment mapped
	Waits  *WaitTable   // where its waits are listed; nil: nowhere
}

// A Mutex is one process's half of a robust lock in shared memory. Each process
// has one Mutex for each lock: its goroutines share it. It must not be copied.
type Mutex struct {
	r  *MutexRegion
	me uint32 // owner id of this process; immutable
	// 1 from when an Unlock is about to free the lock until it is held again; written by the
	// holder only, see quiesce and endRecord
	releasing uint32
	life      proctab.Life
	closer    *wait.Closer
	party     *Party
	leading   *LeaderFollower
	policy    wait.Policy
	born      time.Time
	offer     HandoffTimer
	holding   atomic.Uint64 // see observe
	shadow    race.Shadow
	obituary  *atomic.Uint64 // in shared memory; nil: deaths are not dated. See RecordDeaths

	// NeedsRepair reports whether the death of an owner calls for a repair; nil: always. Set before
	// the first use.
	NeedsRepair func() bool

	// Target is what waiters for the lock are reported to wait for; set before the first use.
	Target Target

	// Part is what the lock is a part of, which incidents name; 0: Target says it. Set
	// before the first use.
	Part Target
}

// NewMutex views the first [RegionBytes] of mem, which lie in the party's segment, as a lock.
func NewMutex(p *Party, mem []byte, policy wait.Policy) *Mutex {
	return &Mutex{
		r:       mutexRegionIn(mem),
		me:      uint32(p.Member.ID()),
		life:    p.Member.Life(),
		closer:  p.Closer,
		party:   p,
		leading: NewLeaderFollower(),

		releasing: 1, // nothing is locked
		policy:    policy,
		born:      time.Now(),
	}
}

// Lock waits until the lock is free, its owner dies, or ctx ends. A lock that is free at once is
// taken even when ctx has ended. It is for callers that repair by themselves; others use
// [Mutex.LockWith].
//
// Errors:
//   - [*OwnerDiedError]: the lock IS held. See [Mutex.TryMarkConsistent].
//   - [ErrClosed], the context's error: the lock is not held.
func (m *Mutex) Lock(ctx context.Context) error {
	if m.LockFast() {
		return nil
	}
	return m.compete(ctx, takeover{})
}

// LockFast takes a lock that is free, and reports whether it did.
func (m *Mutex) LockFast() bool {
	// What is asked after the locked instruction waits for it: the pointers are loaded before.
	closer, life := m.closer, m.life
	// After Close the lock is not even touched: others would take this process for one that died
	// with it.
	if closer.Closed() || !m.r.word.CompareAndSwap(0, m.me) { // #1 -> #2
		return false
	}
	crashpoint.Here("lock.locked")
	m.clearReleasing()
	if closer.Closed() || life.Lost() { // see entered
		m.unlockSlow()
		return false
	}
	m.shadow.Acquire()
	return true
}

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
	return m.repairAfterDeath(m.compete(ctx, o.takeover()), o)
}

// TryLockWith is LockWith without waiting. Further errors: [ErrLocked].
func (m *Mutex) TryLockWith(o *LockOptions) error {
	return m.repairAfterDeath(m.tryLock(o.takeover()), o)
}

func (m *Mutex) repairAfterDeath(err error, o *LockOptions) error {
	if died := AsOwnerDied(err); died != nil && o.Repair != nil {
		return m.Repair(died, o.Repair)
	}
	return err
}

// LockToRepair is LockWith for a caller that repairs by itself: with a Repair in o, which is not
// called, an [*OwnerDiedError] may come with the lock, see [OwnerDiedError.WithLock].
func (m *Mutex) LockToRepair(ctx context.Context, o *LockOptions) error {
	if m.LockFast() {
		return nil
	}
	return m.compete(ctx, o.takeover())
}

// TryLockToRepair is LockToRepair without waiting. Further errors: [ErrLocked].
func (m *Mutex) TryLockToRepair(o *LockOptions) error { return m.tryLock(o.takeover()) }

// TryLock is Lock without waiting. Further errors: [ErrLocked], and the lock is not held.
func (m *Mutex) TryLock() error { return m.tryLock(takeover{}) }

func (m *Mutex) tryLock(t takeover) error {
	defer runtime.KeepAlive(m)
	for !m.closer.Closed() {
		w := m.r.word.Load()
		next, ok := m.freeWord(w)
		if !ok {
			next, ok = m.reclaimWord(w)
		}
		if !ok {
			return ErrLocked
		}
		if died := m.deathToReport(t, w, next); died != nil {
			return died
		}
		if m.acquireWord(w, next) {
			return m.entered(next)
		}
	}
	return m.closer.Err()
}

// lifeError is [ErrTakenForDead] when the others have taken this process for dead. When the process
// has left the segment its word says nothing, and the error is [ErrClosed].
func (m *Mutex) lifeError() error {
	switch {
	case !m.life.Lost():
		return nil
	case m.closer.Closed():
		return ErrClosed
	}
	return ErrTakenForDead
}

// entered ends an acquisition that made the word w. The order matters: this process either sees
// here that it is closing, or the closing sees the word and waits. And one that was taken for dead
// sees that here, at the latest: the others have not heeded its word.
func (m *Mutex) entered(w uint32) error {
	if m.closer.Closed() {
		m.unlockSlow()
		return m.closer.Err()
	}
	if err := m.lifeError(); err != nil {
		m.unlockSlow()
		return err
	}
	m.shadow.Acquire()
	if w&inconsistent != 0 {
		died := m.death(m.r.dead.Load())
		died.held = true
		return died
	}
	return nil
}

// Unlock frees the lock; one that has not been repaired since the death of an owner goes on waiting
// for repair. Any goroutine of the process that holds it may call it. It panics when this process
// does not hold the lock, unless the segment is closed or the process was taken for dead.
func (m *Mutex) Unlock() {
	if !m.TryUnlock() {
		panic("lock.Mutex.Unlock: this process does not hold the lock")
	}
}

// TryUnlock is Unlock that reports false where Unlock panics. Nothing has changed then.
//
// The usual case is one store, without a fence: see bell. It is a store and not a compare-and-swap,
// so that the word must not change hands between the look at it and the store. No other process
// takes it from a living holder, and none that was killed gets to its store, see proctab. There
// remains Close, which waits while releasing says that a store is coming. It says so until the lock
// is held again: the goroutine that clears it must hold the lock, or it could be the announcement
// of the next holder that is cleared.
func (m *Mutex) TryUnlock() bool {
	r := m.r
	if race.Enabled || !futex.Registered() || r.word.Load() != m.me {
		return m.unlockSlow()
	}
	m.releasing = 1
	if m.closer.Closed() || !r.bell.isQuiet() {
		m.releasing = 0
		return m.unlockSlow()
	}
	// SYNC: unlock: what the holder wrote is visible to the next holder.
	cpu.StoreRelease32(address(&r.word), 0) // #2 -> #1
	crashpoint.Here("lock.unlocked")
	if !r.bell.isQuiet() {
		r.bell.ringFrom(r.bell.look(), wokenByUnlock)
	}
	runtime.KeepAlive(m)
	return true
}

// Held reports whether this process holds the lock. When the process is closing, a
// false also says that none of its goroutines is about to write to the lock's word.
func (m *Mutex) Held() bool {
	held := isHeldBy(m.r.word.Load(), m.me)
	if held && m.closer.Closed() {
		m.quiesce()
		held = isHeldBy(m.r.word.Load(), m.me)
	}
	runtime.KeepAlive(m)
	return held
}

// clearReleasing notes that this process has just taken the lock: no store of TryUnlock is coming.
func (m *Mutex) clearReleasing() {
	if !race.Enabled { // under the race detector TryUnlock never stores
		m.releasing = 0
	}
}

// beginRelease notes that this process is about to free the lock, which it holds.
func (m *Mutex) beginRelease() {
	if !race.Enabled {
		m.releasing = 1
	}
}

// endRecord reports whether this process has locked and not unlocked, by its own record, and ends
// that. When the word does not name it then, the word was overwritten, and there is nothing to
// unlock. Builds with the race detector have no record.
func (m *Mutex) endRecord() bool {
	return !race.Enabled && atomic.CompareAndSwapUint32(&m.releasing, 0, 1)
}

// quiesceTime is how long quiesce waits for a store that is nanoseconds away, unless its goroutine
// has no processor.
const quiesceTime = time.Millisecond

// quiesce waits until no goroutine is between the look and the store of TryUnlock. After the
// barrier, an Unlock that has not announced itself sees that the segment is closed. What it
// announced stays there after the store, when the word says that it has come: an Unlock does not
// touch what belongs to the next holder of the same process. When the store does not come, the lock
// counts as held: Close asks again for as long as its patience lasts, and a process that wrote this
// one's id over a free lock cannot make it wait for ever.
func (m *Mutex) quiesce() {
	futex.Membarrier()
	for began := time.Now(); atomic.LoadUint32(&m.releasing) != 0 && isHeldBy(m.r.word.Load(), m.me) && time.Since(began) < quiesceTime; {
		runtime.Gosched()
	}
	futex.Membarrier()
}
