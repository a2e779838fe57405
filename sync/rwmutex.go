package shmsync

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/rwmutex"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// An RWMutex is a lock that any number of goroutines of all processes share for reading, or that
// one has for writing, and that survives the death of any of them.
//
// The holder is the process, as with [Mutex]. Each process counts its readers for itself, so that
// readers of several processes do not slow each other down. What a dead process has read-locked is
// free at once. When a process dies that has locked for writing, every locker gets an
// [*OwnerDiedError] until one has repaired what the lock guards, by [RWMutex.LockRepair] or
// [RWMutexOptions.Repair].
//
// A writer that waits lets no more readers in, and a reader waits for one writer at most, so that
// neither kind starves the other. It follows that a goroutine which holds a read lock must not ask
// for another one: if a writer has come in between, both wait for ever.
//
// An RWMutex is made by [NewRWMutex] or [OpenRWMutex], or by UnmarshalBinary of what
// another process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// The n'th Unlock synchronizes before the m'th return of Lock for n < m, in any process. For each
// RLock there is an n such that the n'th Unlock synchronizes before its return, and its RUnlock
// before the return of the n+1'th Lock.
type RWMutex struct {
	handle
	cell    *atomic.Uint64 // where this process counts its readers; immutable, in shared memory
	key     uint64         // what the cell says above the count when there is no more to do
	l       *rwmutex.Lock
	options RWMutexOptions
	how     lock.LockOptions // what the options come to; set by bind
}

// RWMutexOptions belong to one handle, not to the lock: processes may use different ones.
type RWMutexOptions struct {
	// Wait says how Lock and RLock wait. The first handle that a process makes of a lock decides
	// for all of them.
	Wait WaitPolicy

	// Repair, if set, is what Lock, TryLock, RLock and TryRLock repair with after the death of a
	// writer, as [RWMutex.LockRepair] does with its function. It runs while the lock is held for
	// writing.
	Repair func() error

	// DetectDeadlock has Lock return [ErrDeadlock] instead of closing a cycle of processes that
	// wait for each other. See the package's documentation for what it sees. Locks for reading are
	// not part of it.
	DetectDeadlock bool
}

// NewRWMutex finds the RWMutex of that name in the segment, or makes it, unlocked.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewRWMutex(seg *shm.Segment, name string, o RWMutexOptions) (*RWMutex, error) {
	return find(&RWMutex{options: o}, seg, rwMutexSpec(seg, name))
}

// OpenRWMutex finds the RWMutex of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenRWMutex(seg *shm.Segment, name string, o RWMutexOptions) (*RWMutex, error) {
	return open(&RWMutex{options: o}, seg, rwMutexSpec(seg, name))
}

// UnmarshalBinary makes m a handle of the lock that another process's MarshalBinary
// wrote down. Options that m has stay.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (m *RWMutex) UnmarshalBinary(b []byte) error { return unmarshal(m, b, segment.KindRWMutex) }

func rwMutexSpec(seg *shm.Segment, name string) segment.Spec {
	return segment.Spec{Name: name, Kind: segment.KindRWMutex, Size: int64(rwmutex.Bytes(slotsOf(segment.Of(seg))))}
}

func (m *RWMutex) bind(o *segment.Object) error {
	if err := sized(o, rwmutex.Bytes(slotsOf(o.Seg))); err != nil {
		return err
	}
	l := o.Local(func() (any, func() bool) {
		l := rwmutex.New(o.Party(), o.Payload, wait.Policy(m.options.Wait))
		if l == nil {
			return l, nil
		}
		l.Targets(o.Target(lock.RoleLock), o.Target(lock.RoleRLock), o.Target(lock.RoleDrain))
		l.Keep = o
		return l, l.Held
	}).(*rwmutex.Lock)
	if l == nil {
		return o.Damaged("it has no room for this process")
	}
	m.o, m.l = o, l
	m.cell, m.key = l.Cell()
	m.how = m.lockOptions(m.options.Repair, m.options.DetectDeadlock)
	return nil
}

// RLock locks m for reading. It waits until no writer is inside, and none that came first waits,
// until a writer that is inside dies, or ctx ends. When there is no writer it locks even when ctx
// has ended.
//
// Errors:
//   - [*OwnerDiedError]: a writer died inside, and what m guards has not been repaired since. See
//     [RWMutex.LockRepair]. Not with [RWMutexOptions.Repair].
//   - the context's error, [ErrClosed], that of the Repair function; [shm.ErrCorrupt].
//
// m is not held with any of them.
func (m *RWMutex) RLock(ctx context.Context) error {
	// Counted, and the way in was open at this moment: the lock is held. This is small enough to be
	// inlined. The key is read after the addition, so that m keeps the memory mapped until then.
	if m.cell.Add(1)>>rwmutex.ReaderBits == m.key && !rwSlowly {
		return nil
	}
	return m.rlock(ctx)
}

// rwSlowly has every RLock take the long way in builds that watch what is done.
const rwSlowly = race.Enabled || crashpoint.Enabled

// rlock is apart, and stays so, so that RLock can be inlined.
//
//go:noinline
func (m *RWMutex) rlock(ctx context.Context) error {
	return m.waitedFor(ctx, m.l.RLock(ctx, &m.how), lock.RoleRLock, m.l)
}

// TryRLock locks m for reading if that is possible without waiting.
//
// Errors: [ErrLocked] when a living process holds m for writing or waits to do so; otherwise those
// of [RWMutex.RLock].
func (m *RWMutex) TryRLock() error {
	if err := m.l.TryRLock(&m.how); err != nil {
		return m.tried(err, lock.RoleRLock, m.l)
	}
	return nil
}

// RUnlock ends one RLock. Any goroutine of the process that holds m may call it. It does not wait.
//
// It panics, and changes nothing, when this process does not hold m for reading. It does nothing
// when m names another process because it was overwritten, or when its segment was closed: the lock
// was given up with the close.
func (m *RWMutex) RUnlock() {
	if race.Enabled {
		m.l.NoteLeave()
	}
	w := m.cell.Add(^uint64(0)) // see RLock
	if crashpoint.Enabled {
		crashpoint.Here("rwmutex.uncounted")
	}
	if w>>rwmutex.ReaderBits != m.key {
		m.runlock(w)
	}
}

// runlock is apart, and stays so, so that RUnlock can be inlined.
//
//go:noinline
func (m *RWMutex) runlock(w uint64) {
	if !m.l.RUnlock(w) {
		panic("shmsync.RWMutex.RUnlock: this process does not hold the lock for reading")
	}
}

// Lock locks m for writing. It waits until no other process or goroutine holds m, its holders die,
// or ctx ends. A lock that is free at once is taken even when ctx has ended. m is held when Lock
// returns nil, and otherwise it is not.
//
// Errors:
//   - [*OwnerDiedError]: a writer died inside, and what m guards has not been repaired since. Every
//     call returns it until a caller has repaired: see [RWMutex.LockRepair]. Not with
//     [RWMutexOptions.Repair]. The death of a reader needs no repair.
//   - [*DeadlockError]: only with [RWMutexOptions.DetectDeadlock].
//   - the context's error, [ErrClosed], that of the Repair function; [shm.ErrCorrupt] when that
//     unlocked m or m was overwritten meanwhile.
func (m *RWMutex) Lock(ctx context.Context) error {
	if err := m.l.Lock(ctx, &m.how); err != nil {
		return m.waitedToWrite(ctx, err)
	}
	return nil
}

// LockRepair is Lock for a caller that can repair, as [Mutex.LockRepair] is: repair runs while m is
// held for writing.
//
// Errors: those of [RWMutex.Lock] except [*OwnerDiedError], and that of repair. [io/fs.ErrInvalid]:
// repair is nil.
func (m *RWMutex) LockRepair(ctx context.Context, repair func(*OwnerDiedError) error) error {
	if repair == nil {
		return m.noRepair()
	}
	return m.waitedToWrite(ctx, m.l.Lock(ctx, m.repairWith(m.how, repair)))
}

// waitedToWrite is waitedFor of a writer, which waits for readers when no other writer has the
// lock.
func (m *RWMutex) waitedToWrite(ctx context.Context, err error) error {
	if holder, _ := m.l.Holding(); holder == 0 && isOver(ctx, err) {
		if readers := m.names(m.o.Seg.Holders(m.o, m.o.Target(lock.RoleDrain))); readers != "" {
			return fmt.Errorf("%s: %v: read-locked by %s since %s or earlier: %w",
				m.title(), lock.RoleLock, readers, m.l.DrainedSince().Format(wait.Clock), err)
		}
	}
	return m.waitedFor(ctx, err, lock.RoleLock, m.l)
}

// TryLock locks m for writing if that is possible without waiting. It does not respect turns.
//
// Errors: [ErrLocked] when living processes hold m or one waits to write; otherwise those of
// [RWMutex.Lock].
func (m *RWMutex) TryLock() error {
	if err := m.l.TryLock(&m.how); err != nil {
		return m.tried(err, lock.RoleLock, m.l)
	}
	return nil
}

// relock is Lock for a waiter of a [Cond], which must have m whatever happened meanwhile.
func (m *RWMutex) relock(ctx context.Context) (held bool, err error) {
	return m.relocked(m.l.Relock(ctx), m.how.Repair, m.l.RepairHeld)
}

// Unlock ends Lock. What [Cond.Wait] returned with an [*OwnerDiedError] goes on waiting for repair.
// Any goroutine of the process that holds m may call it, once for each Lock: that two unlock the
// same one at the same time is not always noticed, and breaks m for others. It does not wait.
//
// It panics, and changes nothing, when this process does not hold m for writing. It does nothing
// when m was overwritten while it was held, or when its segment was closed: the lock was given up
// with the close.
func (m *RWMutex) Unlock() {
	if !m.l.Unlock() {
		panic("shmsync.RWMutex.Unlock: this process does not hold the lock for writing")
	}
}
