// Package rwmutex holds the robust readers–writer lock.
package rwmutex

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Lock is one process's half of a robust readers–writer lock in shared memory.
// Each process has one for each lock: its goroutines share it. It must not be copied.
//
// Each process counts its readers in a cell of its own, see [cellKey], so that readers of two
// processes share no cache line, and what a dead process's readers leave behind is known to be
// theirs. Writers exclude each other by the lock writers. Its holder blocks every cell and waits
// until no living process counts a reader.
//
//	state:
//	  0 open     the cells are open, or being opened
//	  1 closing  the holder of writers waits for readers to leave
//	  2 owned    every cell of a living process is blocked and counts 0: a writer is inside
//
//	#  writers          state      cells           meaning                 next
//	1  free             open       open            readers come and go     lock -> 2
//	2  p                open       some blocked    p blocks the cells      no reader -> 4, else -> 3; p dies: 6
//	3  p                closing    blocked         p waits for readers     none left -> 4, p gives up -> 5; p dies: 6
//	4  p                owned      blocked, empty  p is inside             unlock -> 5; p dies: 7
//	5  p                open       some blocked    p opens the cells       -> 1, or -> 2 of the next; p dies: 6
//	6  p, dead          not owned  any             no writer was inside    a writer takes over -> 2, a reader -> 5
//	7  p, dead          owned      blocked, empty  a writer died inside    repair -> 8
//	8  q, inconsistent  owned      blocked, empty  q repairs               mark consistent -> 4, unlock -> 9; q dies: 7
//	9  0, inconsistent  owned      blocked, empty  waits for repair        repair -> 8
//
// In #7 and #9 a locker without a repair function changes nothing and reports the death, as with a
// [lock.Mutex].
//
// A process that comes later claims a cell at any time. It is blocked from the start, so that it
// changes nothing for the writer of the moment, which opens it with the others; when there is none,
// its first reader opens it by way of #5.
//
// # Turns
//
// A reader that finds its cell blocked sets waits, once for all readers of its process. The next
// writer leaves such a cell open for as long as that takes, but no longer than five milliseconds,
// until those waiting readers have gone in, all at once; then it blocks it. So a reader waits for
// one writer, a writer for the readers that came before it or had waited by then, and neither
// starves the other.
//
// # Deaths
//
//	a reader inside                   its cell counts nothing: a writer that waits for it watches its life
//	a reader about to go in or out    the same
//	a reader asleep, or with a turn   the same; an armed bell, which costs the next writer to leave a system call
//	a reader in writers' place        #6: it only opens the cells
//	a writer that closes or opens     #6: the next writer or a waiting reader opens the cells; no death is reported
//	a writer inside                   #7: every locker reports the death, until one repairs
//	a writer that repairs             #7 again
type Lock struct {
	cell    *atomic.Uint64 // of this process; immutable
	r       *head
	me      proctab.Owner // immutable
	party   *lock.Party
	born    time.Time
	policy  wait.Policy
	slots   *lock.ProcSlots
	writers *lock.Mutex      // its holder alone may bar and open cells and change the state
	drained *lock.EventCount // of the writer that waits for the readers to leave
	opened  *lock.EventCount // of readers that wait until their cells are open

	leading  *lock.LeaderFollower // of the readers of this process
	queue    readerQueue
	leader   *readerWaiter // guarded by leading
	doubtful bool          // the next look is also at writers; guarded by leading
	orphaned bool          // no living process has it; guarded by leading
	// until when cells keep their turns, in nanoseconds since born; 0: not begun. Of the holder of
	// writers; damaged bytes may make two
	turns atomic.Int64

	read, wrote race.Shadow

	// Keep is the object. It stays reachable for as long as a call goes on, so that its memory is
	// not used anew. Set before the first use.
	Keep any
}

// The states.
const (
	stateOpen uint32 = iota
	stateClosing
	stateOwned
)

// turnTime is how long a writer waits for processes that have a turn: they only have to wake up.
const turnTime = lock.HandoffTimeout

// New views mem, which has [Bytes] bytes or more and lies in the party's segment, as a
// readers–writer lock. It returns nil when no cell is free, which says that the bytes are damaged.
func New(p *lock.Party, mem []byte, policy wait.Policy) *Lock {
	r := headIn(mem)
	l := &Lock{
		r:       r,
		me:      p.Member.ID(),
		party:   p,
		born:    time.Now(),
		policy:  policy,
		slots:   lock.NewProcSlots(p, &r.high, mem[headBytes:]),
		writers: lock.NewMutex(p, mem, policy),
		drained: lock.NewSwappedCount(p, mem[drainedOffset:]),
		opened:  lock.NewSwappedCount(p, mem[openedOffset:]),
		leading: lock.NewLeaderFollower(),
	}
	l.writers.NeedsRepair = l.isOwned // elsewhere a dead writer leaves nothing but bars, see reopen
	l.writers.RecordDeaths(mem[obituaryOffset:])
	l.cell = l.slots.Claim(cellGuard|cellBlocked, nil)
	if l.cell == nil {
		return nil
	}
	return l
}

// Targets says what waits for this lock are posted as: for a writer, for a reader, and for the
// readers to leave.
func (l *Lock) Targets(lock, rlock, drain lock.Target) {
	l.writers.Target, l.opened.Target, l.drained.Target = lock, rlock, drain
}

// Cell is where this process counts its readers, and its key. A caller that adds one there and
// finds the key above the lowest [ReaderBits] bits has a read lock; else it calls [Lock.RLock] at
// once. A caller that subtracts one and does not find the key calls [Lock.RUnlock] at once. That is
// all that the fast path does.
func (l *Lock) Cell() (cell *atomic.Uint64, key uint64) { return l.cell, cellKey(l.me) }

// Held reports whether this process holds the lock, for reading or writing. When the process is
// closing, a false also says that it never will again.
func (l *Lock) Held() bool {
	if l.party.Closer.Closed() {
		l.closeOwnCell()
	}
	held := hasReaders(l.cell.Load()) || l.writers.Held()
	runtime.KeepAlive(l)
	return held
}

// isOwned reports whether a writer is inside, or died there: #4, #7 to #9.
func (l *Lock) isOwned() bool { return l.r.state.Load() == stateOwned }

// open ends a writer's turn, or what is left of one: #4 -> #5 -> #1, but for the unlocking.
//
// Preconditions: writers is held, and not inconsistent.
//
// What a death leaves behind: #6.
func (l *Lock) open() {
	// SYNC: state: what the writer wrote is visible to the next holder of writers, and is whole.
	l.setState(stateOpen)
	for n := range l.slots.Len() {
		if s := l.slots.Cell(n); s.Load()&cellBlocked != 0 {
			// SYNC: opened: what the writer wrote is visible to each reader that gets in.
			s.And(^uint64(cellBlocked))
			crashpoint.Here("rwmutex.opened")
		}
	}
	if !l.opened.Quiet() {
		l.opened.NotifyAll()
	}
}

// Holding is [lock.Mutex.Holding] of the lock that a writer has.
func (l *Lock) Holding() (holder proctab.Owner, since time.Time) { return l.writers.Holding() }

// DrainedSince is when the last writer of this process that waited for readers began to wait.
// Readers that it found then have been inside since then, or longer: of other processes only
// readers that had a turn come in meanwhile.
func (l *Lock) DrainedSince() time.Time {
	return l.born.Add(time.Duration(l.turns.Load()) - turnTime)
}

// Orphaned reports whether the process that has the write lock, or is about to have it, is dead, or
// the lock waits for repair.
func (l *Lock) Orphaned() bool {
	defer runtime.KeepAlive(l)
	return l.writers.Orphaned()
}

// Readers are those with readers inside the [Lock] in mem.
func Readers(mem []byte) []proctab.Owner {
	if len(mem) < headBytes {
		return nil
	}
	return lock.CellOwners(mem[headBytes:], headIn(mem).high.Load(), hasReaders)
}
