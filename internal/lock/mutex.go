package lock

import (
	"context"
	"errors"
	"math"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Party is a process's attachment to a segment, as far as locks care.
type Party struct {
	Member *proctab.Member
	Closer *wait.Closer // closed when the process is about to detach
	Keep   any          // keeps the segment mapped
}

// A Mutex is one process's half of a robust lock in shared memory. Each process
// has one Mutex for each lock: its goroutines share it. It must not be copied.
type Mutex struct {
	r      *region
	me     uint32 // owner id of this process; immutable
	policy wait.Policy
	party  *Party
	gate   chan struct{} // holds one token: the leader's
	shadow race.Shadow
}

// NewMutex views the first [RegionBytes] of mem, which lie in the party's segment, as a lock.
func NewMutex(p *Party, mem []byte, policy wait.Policy) *Mutex {
	return &Mutex{
		r:      regionIn(mem),
		me:     uint32(p.Member.ID()),
		policy: policy,
		party:  p,
		gate:   make(chan struct{}, 1),
	}
}

// Lock waits until the lock is free, its owner dies, or ctx ends. A lock that is
// free at once is taken even when ctx has ended.
//
// Errors:
//   - [ErrOwnerDied]: the lock IS held.
//   - [ErrNotRecoverable], [ErrClosed], the context's error: the lock is not held.
func (m *Mutex) Lock(ctx context.Context) error {
	if m.r.word.CompareAndSwap(0, m.me) { // #1 -> #2
		crashpoint.Here("lock.locked")
		return m.entered()
	}
	return m.lockSlow(ctx)
}

// TryLock is Lock without waiting. Further errors: [ErrLocked], and the lock is not held.
func (m *Mutex) TryLock() error {
	for {
		w := m.r.word.Load()
		switch {
		case isUnrecoverable(w):
			return ErrNotRecoverable
		case isFree(w):
			if m.r.word.CompareAndSwap(w, m.me|w&waiters) {
				return m.entered()
			}
		case m.party.Member.Table().Dead(proctab.Owner(ownerOf(w))):
			if m.takeOver(w) {
				return m.inherited()
			}
		default:
			return ErrLocked
		}
	}
}

// entered ends a successful acquisition. The order matters: this process either
// sees here that it is closing, or the closing sees the word and waits for it.
func (m *Mutex) entered() error {
	if m.party.Closer.Closed() {
		m.release()
		return ErrClosed
	}
	m.shadow.Acquire()
	return nil
}

// inherited ends an acquisition from a dead owner, or from one that it had been handed to.
func (m *Mutex) inherited() error {
	if !m.Inconsistent() {
		return m.entered()
	}
	if m.party.Closer.Closed() {
		m.orphan()
		return ErrClosed
	}
	m.shadow.Acquire()
	info, known := m.party.Member.Table().Info(proctab.Owner(m.r.dead.Load()))
	return &OwnerDiedError{Process: info, Known: known}
}

// Unlock frees the lock. Any goroutine of the process that holds it may call it.
// It panics when this process does not hold the lock, unless the segment is closed.
func (m *Mutex) Unlock() {
	m.shadow.Release()
	// SYNC: unlock: what the holder wrote is visible to who takes the lock next.
	if m.r.word.CompareAndSwap(m.me, 0) { // #2 -> #1
		crashpoint.Here("lock.unlocked")
		runtime.KeepAlive(m)
		return
	}
	if !m.unlockSlow() {
		panic("lock.Mutex.Unlock: this process does not hold the lock")
	}
}

// TryUnlock is Unlock for callers that are certain to hold the lock. Where Unlock panics
// it reports false: somebody has overwritten the lock.
func (m *Mutex) TryUnlock() bool {
	m.shadow.Release()
	if m.r.word.CompareAndSwap(m.me, 0) { // #2 -> #1
		crashpoint.Here("lock.unlocked")
		runtime.KeepAlive(m)
		return true
	}
	return m.unlockSlow()
}

// LockRepair is Lock with a function that makes whole what a dead holder left; it
// runs while the lock is held. When it fails, or panics, the lock is left to the next locker
// as it was found.
//
// Errors: those of Lock without [ErrOwnerDied], and that of repair; the lock is not held.
func (m *Mutex) LockRepair(ctx context.Context, repair func() error) error {
	err := m.Lock(ctx)
	if !errors.Is(err, ErrOwnerDied) {
		return err
	}
	return m.Repair(repair)
}

// Repair is the second half of [Mutex.LockRepair], for a lock that is held after [ErrOwnerDied].
func (m *Mutex) Repair(repair func() error) (err error) {
	whole := false
	defer func() {
		if !whole {
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
	m.orphan()
}

// orphan puts an inherited lock back to #5.
func (m *Mutex) orphan() {
	m.r.word.Store(ownerOf(m.r.dead.Load()) | waiters)
	crashpoint.Here("lock.orphaned")
	futex.Wake(m.r.futex(), 1)
	runtime.KeepAlive(m)
}

func (m *Mutex) release() {
	if !m.r.word.CompareAndSwap(m.me, 0) {
		m.unlockSlow()
	}
}

// MarkConsistent says that what the lock guards is whole again after [ErrOwnerDied].
//
// Preconditions: this process holds the lock.
func (m *Mutex) MarkConsistent() {
	m.r.state.Store(m.r.state.Load() &^ inconsistent)
	crashpoint.Here("lock.consistent")
	runtime.KeepAlive(m)
}

// Held reports whether this process holds the lock.
func (m *Mutex) Held() bool { return isHeldBy(m.r.word.Load(), m.me) }

// Inconsistent reports whether a holder died and nobody has marked the lock consistent since.
func (m *Mutex) Inconsistent() bool { return m.r.state.Load()&inconsistent != 0 }

// Owner is who holds the lock now, 0 when nobody does.
func (m *Mutex) Owner() proctab.Owner { return proctab.Owner(ownerOf(m.r.word.Load())) }

// unlockSlow frees a lock that somebody may wait for, or that is inconsistent. It
// reports false when this process does not hold the lock, and should.
func (m *Mutex) unlockSlow() bool {
	w := m.r.word.Load()
	if !isHeldBy(w, m.me) {
		return m.party.Closer.Closed() // then it was orphaned by the close, and perhaps taken over
	}
	if m.r.state.Load()&inconsistent != 0 {
		m.r.word.Store(unrecoverable) // #3 -> #6
		crashpoint.Here("lock.poisoned")
		futex.Wake(m.r.futex(), math.MaxInt32)
		return true
	}
	if m.handOver() {
		return true
	}
	w = m.r.word.Swap(0) // #3 -> #1
	crashpoint.Here("lock.freed")
	if w&waiters != 0 {
		futex.Wake(m.r.futex(), 1)
	}
	runtime.KeepAlive(m)
	return true
}

// handOver gives the lock to the process that starves, if there is one.
func (m *Mutex) handOver() bool {
	g := m.r.starving.Load()
	if g == 0 {
		return false
	}
	if !m.r.starving.CompareAndSwap(g, 0) {
		return false // it gave up, or another one takes its place: next time
	}
	crashpoint.Here("lock.handing")
	if g&^proctab.OwnerMask != 0 || m.party.Member.Table().Dead(proctab.Owner(g)) {
		return false
	}
	m.r.word.Store(g | handed | waiters) // #3 -> #4
	crashpoint.Here("lock.handed")
	futex.Wake(m.r.futex(), math.MaxInt32) // who it is for is somewhere among the sleepers
	return true
}
