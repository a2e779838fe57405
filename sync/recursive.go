package shmsync

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A Holder stands for one line of work that locks a [RecursiveMutex] again while it has it locked:
// a request, a walk through a tree. It can hold any number of them. One goroutine uses it at a
// time.
//
// A Holder belongs to its process. It must not be copied.
type Holder struct {
	_ noCopy
	_ byte // so that no two have the same address
}

// NewHolder returns a Holder that holds nothing.
func NewHolder() *Holder { return new(Holder) }

// A RecursiveMutex is a [Mutex] that its holder may lock again, and must unlock as many times. The
// holder is not the goroutine but a [Holder], a value that is passed along with the work.
//
// When a process dies that holds the lock, however often, every locker gets an [*OwnerDiedError]
// until one has repaired what the lock guards, by [RecursiveMutex.LockRepair] or
// [MutexOptions.Repair].
//
// A RecursiveMutex is made by [NewRecursiveMutex] or [OpenRecursiveMutex], or by UnmarshalBinary of
// what another process's MarshalBinary wrote; the zero value is only for that. It must not be
// copied.
//
// The last Unlock of a holder synchronizes before the first return of Lock of the next one, in any
// process.
type RecursiveMutex struct {
	handle
	shared  *recursive
	options MutexOptions
	how     lock.LockOptions // what the options come to; set by bind
}

// recursive is what the handles of one process share.
type recursive struct {
	m     *lock.Mutex
	party *lock.Party
	// the holder of m, if it is of this process; written by the holder of m
	holder atomic.Pointer[Holder]
	depth  atomic.Int64 // how often; that of the holder, of which damaged bytes make two
}

// NewRecursiveMutex finds the RecursiveMutex of that name in the segment, or makes it, unlocked.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, [shm.NoSpaceError],
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed]; a bad name.
func NewRecursiveMutex(seg *shm.Segment, name string, o MutexOptions) (*RecursiveMutex, error) {
	return find(&RecursiveMutex{options: o}, seg, segment.Spec{Name: name, Kind: segment.KindRecursiveMutex, Size: mutexBytes})
}

// OpenRecursiveMutex finds the RecursiveMutex of that name, which must exist.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenRecursiveMutex(seg *shm.Segment, name string, o MutexOptions) (*RecursiveMutex, error) {
	return open(&RecursiveMutex{options: o}, seg, segment.Spec{Name: name, Kind: segment.KindRecursiveMutex, Size: mutexBytes})
}

// UnmarshalBinary makes m a handle of the lock that another process's MarshalBinary
// wrote down. Options that m has stay.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (m *RecursiveMutex) UnmarshalBinary(b []byte) error {
	return unmarshal(m, b, segment.KindRecursiveMutex)
}

func (m *RecursiveMutex) bind(o *segment.Object) error {
	if err := sized(o, mutexBytes); err != nil {
		return err
	}
	m.o = o
	m.how = m.lockOptions(m.options.Repair, m.options.DetectDeadlock)
	m.shared = o.Local(func() (any, func() bool) {
		l := mutexIn(o, m.options.Wait)
		return &recursive{m: l, party: o.Party()}, l.Held
	}).(*recursive)
	return nil
}

// Lock locks m for h. It returns at once when h has it locked already; else it waits as
// [Mutex.Lock] does. It takes as many calls of Unlock to unlock m as h has locked it. A Repair
// function runs before h has m: it must not lock it.
//
// Errors; h has m locked no more often than before with any of them:
//   - [*OwnerDiedError]: a process died while it held m, and what m guards has not been repaired
//     since; also when h itself has m from a [Cond.Wait] that returned this error. See
//     [RecursiveMutex.LockRepair]. Not with [MutexOptions.Repair].
//   - [*DeadlockError]: only with [MutexOptions.DetectDeadlock]; that another holder of this
//     process has m is no deadlock.
//   - the context's error, [ErrClosed], that of the Repair function; [shm.ErrCorrupt].
//   - [io/fs.ErrInvalid]: h is nil.
func (m *RecursiveMutex) Lock(ctx context.Context, h *Holder) error { return m.lock(ctx, h, &m.how) }

// LockRepair is Lock for a caller that can repair, as [Mutex.LockRepair] is. When h has m already,
// repair runs only if what m guards has not been repaired since a death.
//
// Errors: those of [RecursiveMutex.Lock] except [*OwnerDiedError], and that of repair.
// [io/fs.ErrInvalid]: h or repair is nil.
func (m *RecursiveMutex) LockRepair(ctx context.Context, h *Holder, repair func(*OwnerDiedError) error) error {
	if repair == nil {
		return m.noRepair()
	}
	return m.lock(ctx, h, m.repairWith(m.how, repair))
}

func (m *RecursiveMutex) lock(ctx context.Context, h *Holder, how *lock.LockOptions) error {
	if done, err := m.again(h, how); done {
		return err
	}
	if err := m.taken(h, m.shared.m.LockWith(ctx, how)); err != nil {
		return m.waitedFor(ctx, err, lock.RoleLock, m.shared.m)
	}
	return nil
}

// TryLock locks m for h if that is possible without waiting.
//
// Errors: [ErrLocked] when another holder has m; otherwise those of [RecursiveMutex.Lock].
func (m *RecursiveMutex) TryLock(h *Holder) error {
	if done, err := m.again(h, &m.how); done {
		return err
	}
	if err := m.taken(h, m.shared.m.TryLockWith(&m.how)); err != nil {
		return m.tried(err, lock.RoleLock, m.shared.m)
	}
	return nil
}

// again locks m once more for h if h has it, and reports whether the call is over.
func (m *RecursiveMutex) again(h *Holder, how *lock.LockOptions) (done bool, err error) {
	s := m.shared
	switch {
	case h == nil:
		return true, fmt.Errorf("shmsync: %w", segment.Invalid("recursive lock %q: the holder must not be nil", m.Name()))
	case s.holder.Load() != h:
		return false, nil
	case s.party.Closer.Closed():
		return true, ErrClosed
	}
	if died := s.m.Inconsistent(); died != nil {
		if how.Repair == nil {
			return true, m.died(died)
		}
		if err := s.m.RepairHeld(died, how.Repair); err != nil {
			return true, m.lockError(err)
		}
	}
	s.depth.Add(1)
	return true, nil
}

// taken notes that h has the lock if there is no error.
func (m *RecursiveMutex) taken(h *Holder, err error) error {
	if err == nil {
		m.shared.occupy(h)
	}
	runtime.KeepAlive(m)
	return err
}

func (s *recursive) occupy(h *Holder) {
	s.depth.Store(1)
	s.holder.Store(h)
}

// relock is Lock for a waiter of a [Cond], which must have the lock whatever happened meanwhile.
func (l *HolderMutex) relock(ctx context.Context) (held bool, err error) {
	m, s := l.m, l.m.shared
	defer runtime.KeepAlive(m)
	err = s.m.Lock(ctx)
	if _, died := err.(*lock.OwnerDiedError); died || err == nil {
		s.occupy(l.h) // before the repair, which may panic
	}
	return m.relocked(err, m.how.Repair, s.m.RepairHeld)
}

// Unlock takes back one Lock of h. With the last one m is unlocked; what [Cond.Wait] returned with
// an [*OwnerDiedError] goes on waiting for repair. It does not wait.
//
// It panics, and changes nothing, when h does not have m locked. After its segment was closed it
// does nothing.
func (m *RecursiveMutex) Unlock(h *Holder) {
	s := m.shared
	if h == nil || s.holder.Load() != h {
		if !s.party.Closer.Closed() {
			panic("shmsync.RecursiveMutex.Unlock: the holder does not have it locked")
		}
		return
	}
	if s.depth.Add(-1) == 0 {
		s.holder.Store(nil) // before others can have the lock
		s.m.TryUnlock()     // false when damaged bytes say that another process has it
	}
	runtime.KeepAlive(m)
}

// As returns m with h as its holder, for code that takes a lock and does not know of holders.
func (m *RecursiveMutex) As(h *Holder) *HolderMutex { return &HolderMutex{m: m, h: h} }

// A HolderMutex is a [RecursiveMutex] together with the [Holder] that locks it.
type HolderMutex struct {
	_ noCopy
	m *RecursiveMutex
	h *Holder
}

// Lock is [RecursiveMutex.Lock] with the holder.
func (l *HolderMutex) Lock(ctx context.Context) error { return l.m.Lock(ctx, l.h) }

// TryLock is [RecursiveMutex.TryLock] with the holder.
func (l *HolderMutex) TryLock() error { return l.m.TryLock(l.h) }

// Unlock is [RecursiveMutex.Unlock] with the holder.
func (l *HolderMutex) Unlock() { l.m.Unlock(l.h) }

// LockRepair is [RecursiveMutex.LockRepair] with the holder.
func (l *HolderMutex) LockRepair(ctx context.Context, repair func(*OwnerDiedError) error) error {
	return l.m.LockRepair(ctx, l.h, repair)
}

// Locker returns l for interfaces that want a [sync.Locker]. Its Lock waits without a context, and
// panics where [RecursiveMutex.Lock] returns an error: use it with [MutexOptions.Repair].
func (l *HolderMutex) Locker() sync.Locker { return holderLocker{l} }

type holderLocker struct{ l *HolderMutex }

func (l holderLocker) Lock() {
	if err := l.l.Lock(context.Background()); err != nil {
		panic(fmt.Sprintf("shmsync.HolderMutex.Locker: lock %q: %v", l.l.m.Name(), err))
	}
}

func (l holderLocker) Unlock() { l.l.Unlock() }
