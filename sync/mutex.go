package shmsync

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A Mutex is a lock that goroutines of all processes share, and that survives the
// death of its holder.
//
// The holder is the process: as with [sync.Mutex], one goroutine may lock and
// another of the same process unlock, and a second Lock by the same process waits like anyone else's. When a
// process dies while it holds the lock, whoever waits gets it with [ErrOwnerDied]. A lock is never taken
// from a living holder.
//
// A Mutex is made by [NewMutex] or [OpenMutex], or by UnmarshalBinary of what
// another process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// The n'th Unlock synchronizes before the m'th return of Lock for n < m, in any process.
type Mutex struct {
	handle
	m        *lock.Mutex
	repair   func() error
	deadlock func([]lock.Posting) error // set by bind if detect is
	policy   WaitPolicy
	detect   bool
}

// MutexOptions belong to one handle, not to the lock: processes may use different ones.
type MutexOptions struct {
	// Wait says how Lock waits. The first handle that a process makes of a lock decides for all of them.
	Wait WaitPolicy

	// Repair, if set, mends what a dead holder left behind. It runs while the lock is
	// held, in the goroutine that called Lock or TryLock, and spares the caller
	// [ErrOwnerDied]. When it returns an error or panics, the lock is not held, and the next one to lock has the same task.
	Repair func() error

	// DetectDeadlock has Lock return [ErrDeadlock] instead of closing a cycle of processes that wait for each other. See
	// the package's documentation for what it sees. It costs nothing while the lock is free.
	DetectDeadlock bool
}

// mutexBytes gives every lock a cache line of its own.
const mutexBytes = 64

// NewMutex finds the Mutex of that name in the segment, or makes it, unlocked.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewMutex(seg *shm.Segment, name string, o MutexOptions) (*Mutex, error) {
	return find(&Mutex{repair: o.Repair, policy: o.Wait, detect: o.DetectDeadlock}, seg, segment.Spec{Name: name, Kind: segment.KindMutex, Size: mutexBytes})
}

// OpenMutex finds the Mutex of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenMutex(seg *shm.Segment, name string, o MutexOptions) (*Mutex, error) {
	return open(&Mutex{repair: o.Repair, policy: o.Wait, detect: o.DetectDeadlock}, seg, segment.Spec{Name: name, Kind: segment.KindMutex, Size: mutexBytes})
}

// UnmarshalBinary makes m a handle of the lock that another process's MarshalBinary
// wrote down. Options that m has stay.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (m *Mutex) UnmarshalBinary(b []byte) error { return unmarshal(m, b, segment.KindMutex) }

func (m *Mutex) bind(o *segment.Object) error {
	if err := sized(o, lock.RegionBytes); err != nil {
		return err
	}
	m.o = o
	m.deadlock = detector(o.Seg, m.detect)
	m.m = o.Local(func() (any, func() bool) {
		l := lock.NewMutex(o.Seg.Party(), o.Payload, m.policy)
		l.Subject = o.Subject(lock.RoleLock)
		return l, l.Held
	}).(*lock.Mutex)
	return nil
}

// Lock locks m. It waits until m is free, its holder dies, or ctx ends. A lock
// that is free at once is taken even when ctx has ended.
//
// Errors:
//   - [ErrOwnerDied], as an [*OwnerDiedError] that says who: m IS held. What it guards
//     may be half-written. Repair that and call [Mutex.MarkConsistent] before Unlock, or just Unlock to make
//     m useless for everyone. Not with [MutexOptions.Repair].
//   - [ErrNotRecoverable]: m is not held and never will be again.
//   - [ErrDeadlock], as a [*DeadlockError] that says who waits for whom: m is not held. Only with [MutexOptions.DetectDeadlock].
//   - the context's error, [ErrClosed], or that of the Repair function: m is not held.
func (m *Mutex) Lock(ctx context.Context) error {
	err := m.m.LockDetect(ctx, m.repair, m.deadlock)
	runtime.KeepAlive(m)
	return err
}

// TryLock locks m if that is possible without waiting.
//
// Errors: [ErrLocked] when a living process holds m; otherwise those of [Mutex.Lock].
func (m *Mutex) TryLock() error {
	err := m.m.TryLockRepair(m.repair)
	runtime.KeepAlive(m)
	return err
}

// Unlock unlocks m. Any goroutine of the process that holds it may call it, once for each Lock: that two unlock the same one at the
// same time is not always noticed, and breaks m for others. It does not wait.
//
// It panics, and changes nothing, when this process does not hold m. After its segment was closed it does
// nothing: the lock was given up with the close.
func (m *Mutex) Unlock() {
	if !m.m.TryUnlock() {
		panic("shmsync.Mutex.Unlock: this process does not hold the lock")
	}
	runtime.KeepAlive(m)
}

// MarkConsistent says, after [ErrOwnerDied], that what m guards is whole again. It
// does nothing when m is consistent.
//
// It panics, and changes nothing, when this process does not hold m. After its segment was closed it does nothing.
func (m *Mutex) MarkConsistent() {
	if !m.m.TryMarkConsistent() {
		panic("shmsync.Mutex.MarkConsistent: this process does not hold the lock")
	}
	runtime.KeepAlive(m)
}

// Locker returns m for interfaces that want a [sync.Locker]. Its Lock waits
// without a context, and panics when it cannot return with the lock held and what it guards whole: use it with
// [MutexOptions.Repair].
func (m *Mutex) Locker() sync.Locker { return locker{m} }

type locker struct{ m *Mutex }

func (l locker) Lock() {
	err := l.m.Lock(context.Background())
	if errors.Is(err, ErrOwnerDied) {
		l.m.m.Abandon()
	}
	if err != nil {
		panic(fmt.Sprintf("shmsync.Mutex.Locker: lock %q: %v", l.m.o.Name, err))
	}
}

func (l locker) Unlock() { l.m.Unlock() }
