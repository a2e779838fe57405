package shmsync

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Mutex is a lock that goroutines of all processes share, and that survives the
// death of its holder.
//
// The holder is the process: as with [sync.Mutex], one goroutine may lock and another of the same
// process unlock, and a second Lock by the same process waits like anyone else's. A lock is never
// taken from a living holder. When a process dies while it holds the lock, what the lock guards may
// be half-written: from then on only a caller that repairs that gets the lock, by
// [Mutex.LockRepair] or [MutexOptions.Repair]. All others get an [*OwnerDiedError] until it is
// done.
//
// An error never comes with the lock:
//
//	if err := mu.Lock(ctx); err != nil {
//		return err
//	}
//	defer mu.Unlock()
//
// A Mutex is made by [NewMutex] or [OpenMutex], or by UnmarshalBinary of what
// another process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// The n'th Unlock synchronizes before the m'th return of Lock for n < m, in any process.
type Mutex struct {
	handle
	m       *lock.Mutex
	options MutexOptions
	how     lock.LockOptions // what the options come to; set by bind
}

// MutexOptions belong to one handle, not to the lock: processes may use different ones.
type MutexOptions struct {
	// Wait says how Lock waits. The first handle that a process makes of a lock decides for all of
	// them.
	Wait WaitPolicy

	// Repair, if set, is what Lock and TryLock repair with after a death, as [Mutex.LockRepair]
	// does with its function.
	Repair func() error

	// DetectDeadlock has Lock return [ErrDeadlock] instead of closing a cycle of processes that
	// wait for each other. See the package's documentation for what it sees. It costs nothing while
	// the lock is free.
	DetectDeadlock bool
}

// mutexBytes gives every lock a cache line of its own.
const mutexBytes = 64

// NewMutex finds the Mutex of that name in the segment, or makes it, unlocked.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewMutex(seg *shm.Segment, name string, o MutexOptions) (*Mutex, error) {
	return find(&Mutex{options: o}, seg, segment.Spec{Name: name, Kind: segment.KindMutex, Size: mutexBytes})
}

// OpenMutex finds the Mutex of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenMutex(seg *shm.Segment, name string, o MutexOptions) (*Mutex, error) {
	return open(&Mutex{options: o}, seg, segment.Spec{Name: name, Kind: segment.KindMutex, Size: mutexBytes})
}

// UnmarshalBinary makes m a handle of the lock that another process's MarshalBinary
// wrote down. Options that m has stay.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (m *Mutex) UnmarshalBinary(b []byte) error { return unmarshal(m, b, segment.KindMutex) }

func (m *Mutex) bind(o *segment.Object) error {
	if err := sized(o, mutexBytes); err != nil {
		return err
	}
	m.o = o
	m.how = m.lockOptions(m.options.Repair, m.options.DetectDeadlock)
	m.m = o.Local(func() (any, func() bool) {
		l := mutexIn(o, m.options.Wait)
		return l, l.Held
	}).(*lock.Mutex)
	return nil
}

// mutexIn views the payload of an object, which has [mutexBytes], as a lock. The date of a death
// follows the lock.
func mutexIn(o *segment.Object, policy WaitPolicy) *lock.Mutex {
	l := lock.NewMutex(o.Party(), o.Payload, wait.Policy(policy))
	l.Target = o.Target(lock.RoleLock)
	l.RecordDeaths(o.Payload[lock.RegionBytes:])
	return l
}

// Lock locks m. It waits until m is free, its holder dies, or ctx ends. A lock that is free at once
// is taken even when ctx has ended. m is held when Lock returns nil, and otherwise it is not.
//
// Errors:
//   - [*OwnerDiedError]: a process died while it held m, and what m guards has not been repaired
//     since. Every call returns it until a caller has repaired: see [Mutex.LockRepair]. Not with
//     [MutexOptions.Repair].
//   - [*DeadlockError]: only with [MutexOptions.DetectDeadlock].
//   - the context's error, [ErrClosed], that of the Repair function; [shm.ErrCorrupt] when that
//     unlocked m or m was overwritten meanwhile.
func (m *Mutex) Lock(ctx context.Context) error {
	// from here, as each frame around it stores what its locked instruction waits for
	if m.m.LockFast() {
		runtime.KeepAlive(m)
		return nil
	}
	return m.lockSlow(ctx)
}

func (m *Mutex) lockSlow(ctx context.Context) error {
	err := m.m.LockWith(ctx, &m.how)
	if err != nil {
		err = m.waitedFor(ctx, err, lock.RoleLock, m.m)
	}
	runtime.KeepAlive(m)
	return err
}

// LockRepair is Lock for a caller that can repair. When a holder died, it takes m and calls repair,
// which makes whole what m guards. When that returns nil, m is consistent again and LockRepair
// returns nil with m held. When it returns an error, panics or ends its goroutine, m is not held
// and goes on waiting for repair; so it does when the process is killed in the middle. repair must
// be able to start over. It must not lock or unlock m. The option Repair of m is not used.
//
// Errors: those of [Mutex.Lock] except [*OwnerDiedError], and that of repair. [io/fs.ErrInvalid]:
// repair is nil.
func (m *Mutex) LockRepair(ctx context.Context, repair func(*OwnerDiedError) error) error {
	if repair == nil {
		return m.noRepair()
	}
	if m.m.LockFast() {
		runtime.KeepAlive(m)
		return nil
	}
	err := m.waitedFor(ctx, m.m.LockWith(ctx, m.repairWith(m.how, repair)), lock.RoleLock, m.m)
	runtime.KeepAlive(m)
	return err
}

// TryLock locks m if that is possible without waiting.
//
// Errors: [ErrLocked] when a living process holds m; otherwise those of [Mutex.Lock].
func (m *Mutex) TryLock() error {
	err := m.m.TryLockWith(&m.how)
	if err != nil {
		err = m.tried(err, lock.RoleLock, m.m)
	}
	runtime.KeepAlive(m)
	return err
}

// relock is Lock for a waiter of a [Cond], which must have m whatever happened meanwhile.
func (m *Mutex) relock(ctx context.Context) (held bool, err error) {
	defer runtime.KeepAlive(m)
	return m.relocked(m.m.Lock(ctx), m.how.Repair, m.m.RepairHeld)
}

// Unlock unlocks m. What [Cond.Wait] returned with an [*OwnerDiedError] goes on waiting for repair.
// Any goroutine of the process that holds it may call it, once for each Lock: that two unlock the
// same one at the same time is not always noticed, and breaks m for others. It does not wait.
//
// It panics, and changes nothing, when this process does not hold m. It does nothing when m was
// overwritten while it was held, or when its segment was closed: the lock was given up with the
// close.
func (m *Mutex) Unlock() {
	if !m.m.TryUnlock() {
		panic("shmsync.Mutex.Unlock: this process does not hold the lock")
	}
	runtime.KeepAlive(m)
}

// Locker returns m for interfaces that want a [sync.Locker]. Its Lock waits without a context, and
// panics where [Mutex.Lock] returns an error: use it with [MutexOptions.Repair].
func (m *Mutex) Locker() sync.Locker { return locker{m} }

type locker struct{ m *Mutex }

func (l locker) Lock() {
	err := l.m.Lock(context.Background())
	if err != nil {
		panic(fmt.Sprintf("shmsync.Mutex.Locker: lock %q: %v", l.m.o.Name, err))
	}
}

func (l locker) Unlock() { l.m.Unlock() }
