// Package semaphore holds the weighted semaphore. Its units may belong to processes.
package semaphore

import (
	"context"
	"errors"
	"math"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// ErrOverRelease says that more units were to be released than may be free, or than the process
// holds.
var ErrOverRelease = errors.New("more units released than there can be")

// A Weighted is one process's half of a number of units in shared memory, which goroutines of all
// processes acquire and release. Each process has one Weighted for each: its goroutines share it.
// It must not be copied.
//
// Without undo, free is all there is: to acquire is one compare-and-swap that takes from it, to
// release is one that adds to it and a load of the bell. With undo, see [lock.UndoCounts], each
// process has a cell that counts what it holds, and free is the rest; both change under the lock of
// the counts.
//
// # The turn
//
// A unit goes to the first process that comes. A leader that has waited for a millisecond takes the
// turn, if no process has it: it writes its id and how many units it needs into the word turn. As
// long as a living process has the turn no other takes units, so that they come together for it. It
// gives the turn back when it has its units, or gives up, and then rings for all others. One that
// does not take what is there for 5 ms loses the turn.
//
// # Deaths
//
//	holding units              without undo they are lost; with undo the others give them back, see [lock.UndoCounts]
//	released, no ring yet      with undo the sleepers watch this process; without they look again within the backstop
//	woken, nothing taken       a release of n wakes n+1; or all if one waits for several units, or has the turn
//	has the turn               sleepers watch its life, and later processes ignore the turn of a dead process
//	returned the turn, no ring the same
//	about to sleep, or asleep  an armed bell, which costs the next release a system call
type Weighted struct {
	r         *region
	fast      *region // r; with undo one that never has units
	fastLimit int64   // limit; with undo 0

	owned  *lock.UndoCounts // what each process holds; nil without undo
	limit  int64            // how many units may be free; immutable
	most   int64            // how many can ever be acquired at once; immutable
	closer *wait.Closer
	shadow race.Shadow
	event  *lock.EventCount
	policy wait.Policy
	turn   turnWord
}

// A Spec is what a semaphore is from its creation on.
type Spec struct {
	Units int64 // how many there are at first; with undo, for ever
	Max   int64 // how many may be free; 0: no bound
	Undo  bool  // units belong to the process that acquired them
}

// Init writes the semaphore into zeroed memory that no other process sees yet.
func (p Spec) Init(mem []byte) {
	r := regionIn(mem)
	r.free.Store(p.Units)
	r.units, r.max = p.Units, p.Max
	if p.Undo {
		r.undo = 1
	}
}

// SpecIn reads what the semaphore in mem is, and reports false when that makes no sense. The memory
// has Bytes at least, and with undo should have BytesWithUndo of as many processes as there can be.
func SpecIn(mem []byte) (p Spec, ok bool) {
	r := regionIn(mem)
	p = Spec{Units: r.units, Max: r.max, Undo: r.undo != 0}
	return p, p.Units >= 0 && p.Max >= 0 && (p.Max == 0 || p.Units <= p.Max) && (!p.Undo || p.Units <= lock.MaxOwned)
}

// New views mem, which lies in the party's segment, as the semaphore that p describes.
func New(party *lock.Party, mem []byte, p Spec, policy wait.Policy) *Weighted {
	s := &Weighted{
		r:      regionIn(mem),
		limit:  math.MaxInt64,
		closer: party.Closer,
		policy: policy,
	}
	s.event = lock.NewSwappedCount(party, mem[eventOffset:])
	s.turn = turnWord{word: &s.r.turn, party: party}
	if p.Max > 0 {
		s.limit = p.Max
	}
	s.most = s.limit
	s.fast, s.fastLimit = s.r, s.limit
	if p.Undo {
		s.fast, s.fastLimit = new(region), 0
		s.limit, s.most = p.Units, p.Units
		s.owned = lock.NewUndoCounts(party, mem[Bytes:], policy, s.recompute)
	}
	return s
}

// SetTarget says what waiters are reported to wait for; before the first use.
func (s *Weighted) SetTarget(subject lock.Target) {
	s.event.Target = subject
	s.owned.SetTarget(subject)
}

// AcquireFast takes units if no waiter stands in the way, and reports whether it did. A false says
// nothing.
func (s *Weighted) AcquireFast(n int64) bool {
	r := s.fast
	c := r.free.Load()
	if n <= 0 || n > c || r.turn.Load() != 0 || s.closer.Closed() || !r.free.CompareAndSwap(c, c-n) {
		return false
	}
	crashpoint.Here("semaphore.taken")
	s.shadow.Acquire()
	runtime.KeepAlive(s)
	return true
}

// Release gives n units back, and wakes waiters for them. It waits for no process but,
// with undo, for those that are changing what processes hold at this moment.
//
// Errors: [ErrOverRelease], [lock.ErrImpossible], [lock.ErrClosed], [lock.ErrDamaged]; nothing was
// given back.
func (s *Weighted) Release(n int64) error {
	r := s.fast
	c := r.free.Load()
	if n > 0 && n <= s.fastLimit-c && !s.closer.Closed() {
		s.shadow.ReleaseMerge()
		// SYNC: units: what was done with them is visible to the next process that acquires them.
		if r.free.CompareAndSwap(c, c+n) {
			crashpoint.Here("semaphore.released")
			if r.event.Armed() { // a compare-and-swap is fence enough, see bell
				s.wake(n)
			}
			runtime.KeepAlive(s)
			return nil
		}
	}
	return s.releaseSlow(n)
}

// Available is how many units are free now.
func (s *Weighted) Available() int64 {
	if s.owned != nil {
		s.owned.Refresh(context.Background())
	}
	n := min(max(s.r.free.Load(), 0), s.limit)
	runtime.KeepAlive(s)
	return n
}

// Held reports whether this process holds units that its end gives back, or is just changing that.
func (s *Weighted) Held() bool { return s.owned != nil && s.owned.Held() }

// wake wakes waiters that may want some of n units that were released. One more than there are
// units: when one of the woken dies, another looks. With undo that one, if it gets nothing, watches
// the processes that got them.
func (s *Weighted) wake(n int64) {
	k := lock.AllSleepers
	if n < lock.AllSleepers && s.r.weightedWaiters.Load() == 0 && s.r.turn.Load() == 0 {
		k = int(n) + 1
	}
	s.r.event.Ring(k)
}

// Holders are the processes that hold units of the semaphore in mem; none when units belong to no
// process.
func Holders(mem []byte) []proctab.Owner {
	if len(mem) < Bytes || regionIn(mem).undo == 0 {
		return nil
	}
	return lock.UndoOwners(mem[Bytes:])
}
