package shmsync

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A Holder stands for one line of work that locks a [RecursiveMutex] again while it has it locked: a
// request, a walk through a tree. It can hold any number of them. One goroutine uses it at a time.
//
// A Holder belongs to its process. It must not be copied.
type Holder struct {
	_ noCopy
	_ byte // so that no two have the same address
}

// NewHolder returns a Holder that holds nothing.
func NewHolder() *Holder { return new(Holder) }

// A RecursiveMutex is a [Mutex] whose holder may lock it again, and unlocks it as many times. The holder is
// not the goroutine but a [Holder], a value that is passed along with the work.
//
// What dies with its process is the lock, however often it was locked: whoever waits gets it with [ErrOwnerDied].
//
// A RecursiveMutex is made by [NewRecursiveMutex] or [OpenRecursiveMutex], or by UnmarshalBinary of what
// another process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// The last Unlock of a holder synchronizes before the first return of Lock of the next one, in any process.
type RecursiveMutex struct {
	handle
	shared   *recursive
	options  MutexOptions
	deadlock func([]lock.Posting) error
}

// recursive is what the handles of one process share.
type recursive struct {
	m      *lock.Mutex
	party  *lock.Party
	holder atomic.Pointer[Holder] // who has m, if it is this process; written by the holder of m
	depth  atomic.Int64           // how often; that of the holder, of which damaged bytes make two
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
	if err := sized(o, lock.RegionBytes); err != nil {
		return err
	}
	m.o = o
	m.deadlock = detector(o.Seg, m.options.DetectDeadlock)
	m.shared = o.Local(func() (any, func() bool) {
		l := lock.NewMutex(o.Seg.Party(), o.Payload, m.options.Wait)
		l.Subject = o.Subject(lock.RoleLock)
		return &recursive{m: l, party: o.Seg.Party()}, l.Held
	}).(*recursive)
	return nil
}

// Lock locks m for h. It returns at once when h has it locked already; else it waits as [Mutex.Lock] does. It takes as
// many calls of Unlock to unlock m as h has locked it. A Repair function runs before h has m: it must not lock it.
//
// Errors:
//   - [ErrOwnerDied], as an [*OwnerDiedError] that says who: h HAS m locked, once. See [Mutex.Lock]. Not with [MutexOptions.Repair].
//   - [ErrNotRecoverable]: h does not have m locked, and nobody ever will.
//   - [ErrDeadlock], as a [*DeadlockError] that says who waits for whom: h does not have m locked. Only with [MutexOptions.DetectDeadlock];
//     that another holder of this process has m is no deadlock.
//   - the context's error, [ErrClosed], or that of the Repair function: h does not have m locked, or no more often than before.
//   - [io/fs.ErrInvalid]: h is nil.
func (m *RecursiveMutex) Lock(ctx context.Context, h *Holder) error {
	if done, err := m.again(h); done {
		return err
	}
	return m.locked(h, m.shared.m.LockDetect(ctx, m.options.Repair, m.deadlock))
}

// TryLock locks m for h if that is possible without waiting.
//
// Errors: [ErrLocked] when another holder has m; otherwise those of [RecursiveMutex.Lock].
func (m *RecursiveMutex) TryLock(h *Holder) error {
	if done, err := m.again(h); done {
		return err
	}
	err := m.locked(h, m.shared.m.TryLockRepair(m.options.Repair))
	runtime.KeepAlive(m)
	return err
}

// again locks m once more for h if h has it, and reports whether the call is over.
func (m *RecursiveMutex) again(h *Holder) (done bool, err error) {
	s := m.shared
	switch {
	case h == nil:
		return true, fmt.Errorf("shmsync: %w", segment.Invalid("recursive lock %q: the holder must not be nil", m.Name()))
	case s.holder.Load() != h:
		return false, nil
	case s.party.Closer.Closed():
		return true, ErrClosed
	}
	s.depth.Add(1)
	return true, nil
}

// locked notes that h has the lock if err says so.
func (m *RecursiveMutex) locked(h *Holder, err error) error {
	if err == nil || m.options.Repair == nil && errors.Is(err, ErrOwnerDied) {
		s := m.shared
		s.depth.Store(1)
		s.holder.Store(h)
	}
	return err
}

// Unlock takes back one Lock of h. With the last one m is unlocked. It does not wait.
//
// It panics, and changes nothing, when h does not have m locked. After its segment was closed it does nothing.
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
		s.m.TryUnlock()     // false when damaged bytes say that somebody else has it
	}
	runtime.KeepAlive(m)
}

// MarkConsistent says, after [ErrOwnerDied], that what m guards is whole again. It
// does nothing when m is consistent.
//
// It panics, and changes nothing, when h does not have m locked. After its segment was closed it does nothing.
func (m *RecursiveMutex) MarkConsistent(h *Holder) {
	s := m.shared
	held := h != nil && s.holder.Load() == h && s.m.TryMarkConsistent()
	runtime.KeepAlive(m)
	if !held && !s.party.Closer.Closed() {
		panic("shmsync.RecursiveMutex.MarkConsistent: the holder does not have it locked")
	}
}

// As returns m with h as its holder, for whoever wants a lock and knows of no holders.
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

// MarkConsistent is [RecursiveMutex.MarkConsistent] with the holder.
func (l *HolderMutex) MarkConsistent() { l.m.MarkConsistent(l.h) }

// Locker returns l for interfaces that want a [sync.Locker]. Its Lock waits
// without a context, and panics when it cannot return with the lock held and what it guards whole: use it with
// [MutexOptions.Repair].
func (l *HolderMutex) Locker() sync.Locker { return holderLocker{l} }

type holderLocker struct{ l *HolderMutex }

func (l holderLocker) Lock() {
	err := l.l.Lock(context.Background())
	if s := l.l.m.shared; err != nil && s.holder.Load() == l.l.h && errors.Is(err, ErrOwnerDied) {
		s.abandon()
	}
	if err != nil {
		panic(fmt.Sprintf("shmsync.HolderMutex.Locker: lock %q: %v", l.l.m.Name(), err))
	}
}

func (l holderLocker) Unlock() { l.l.Unlock() }

// abandon leaves the lock, which is held after a death, to the next locker as it was found.
func (s *recursive) abandon() {
	s.depth.Store(0)
	s.holder.Store(nil)
	s.m.Abandon()
}
