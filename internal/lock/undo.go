package lock

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// MaxOwned is how many units the processes that use the same counts can have together.
const MaxOwned = CellMask

// An UndoCounts counts how many units of something each process has, so that when a process dies
// the others give back exactly those. The cells of a ProcSlots hold the counts. A process that
// changes a cell holds the lock, and then changes what the object derives from the sum of all
// cells.
//
// # Deaths
//
// What the death of a process leaves behind, and what mends it:
//
//	has units               a cell of the dead. The next process that locks the counts takes the units off it and counts anew;
//	                        sleepers watch the processes that have units, and come to look
//	holds the lock          the next one to lock is told, and counts anew: the cells are right at every step, only
//	                        what was derived from them may lag behind
//	is counting the dead    the same
//
// To count anew is to take the units off the cells of the dead, add up the others, and derive all
// from the sum. It can be begun again at any step.
type UndoCounts struct {
	mu    *Mutex
	slots *ProcSlots
	table *proctab.Table
	me    proctab.Owner
	// derives all from the sum of the cells and wakes waiters; called under the lock
	recompute func(sum uint64)
	target    Target
}

// SetTarget says what the counts belong to; before the first use. It does nothing to none.
func (t *UndoCounts) SetTarget(subject Target) {
	if t != nil {
		t.target, t.mu.Part = subject, subject
	}
}

// NoWait is the context of a caller that does not wait: it has ended, because of ErrLocked.
var NoWait = func() context.Context {
	ctx, end := context.WithCancelCause(context.Background())
	end(ErrLocked)
	return ctx
}()

// NewUndoCounts views mem, which lies in the party's segment, as counts of units. Its size says for
// how many processes.
func NewUndoCounts(p *Party, mem []byte, policy wait.Policy, recompute func(sum uint64)) *UndoCounts {
	r := undoRegionIn(mem)
	return &UndoCounts{
		mu:        NewMutex(p, mem, policy),
		slots:     NewProcSlots(p, &r.high, mem[UndoHeadBytes:]),
		table:     p.Member.Table(),
		me:        p.Member.ID(),
		recompute: recompute,
	}
}

// Lock locks the counts, and counts anew if a process died that held the lock. With a ctx that has
// ended it gives up only when the lock is held by one that does not get on.
//
// Errors: the context's error, [ErrClosed]; the counts is not locked.
func (t *UndoCounts) Lock(ctx context.Context) error {
	var err error
	if ctx.Err() == nil {
		err = t.mu.Lock(ctx)
	} else if err = t.lockSoon(); err == ErrLocked {
		return context.Cause(ctx)
	}
	if _, died := err.(*OwnerDiedError); died {
		t.reclaim()
		t.mu.TryMarkConsistent()
		return nil
	}
	return err
}

// LifeError is [ErrTakenForDead] when the others have taken this process for dead: what it counts
// does not count for them.
func (t *UndoCounts) LifeError() error { return t.mu.lifeError() }

// lockSoon is TryLock that waits as long as a living process may take that is not stopped.
func (t *UndoCounts) lockSoon() error {
	spin := newSpin(wait.Adaptive, firstPause)
	for began := time.Now(); ; {
		err := t.mu.TryLock()
		if err != ErrLocked || time.Since(began) > HandoffTimeout {
			return err
		}
		if !spin.Pause() {
			time.Sleep(100 * time.Microsecond) // between two looks
		}
	}
}

// Unlock unlocks the counts. When its bytes were overwritten meanwhile there is nothing to unlock.
func (t *UndoCounts) Unlock() { t.mu.TryUnlock() }

// IsStale reports whether a process has died that had units, or held the lock.
func (t *UndoCounts) IsStale() bool {
	if o := t.mu.Owner(); o != 0 && o != t.me && t.table.Dead(o) {
		return true
	}
	for _, w := range t.slots.All {
		if t.isDead(w) {
			return true
		}
	}
	return false
}

// isDead reports whether a cell that holds w has units of the dead.
func (t *UndoCounts) isDead(w uint64) bool {
	return w&CellMask != 0 && CellOwner(w) != t.me && t.table.Dead(CellOwner(w))
}

// Refresh counts anew if that is called for.
//
// Errors: those of lock.
func (t *UndoCounts) Refresh(ctx context.Context) error {
	if !t.IsStale() {
		return nil
	}
	if err := t.Lock(ctx); err != nil {
		return err
	}
	t.ReclaimDead()
	t.Unlock()
	return nil
}

// ReclaimDead counts anew if a process has died that has units.
//
// Preconditions: the counts is locked.
func (t *UndoCounts) ReclaimDead() {
	for _, w := range t.slots.All {
		if t.isDead(w) {
			t.reclaim()
			return
		}
	}
}

// reclaim takes the units off the dead, and derives all from the rest.
//
// Preconditions: the counts is locked.
func (t *UndoCounts) reclaim() {
	sum := uint64(0)
	for cell, w := range t.slots.All {
		if t.isDead(w) {
			if cell.CompareAndSwap(w, w&^CellMask) {
				crashpoint.Here("tally.taken")
				t.table.TookOver(CellOwner(w), uint64(t.target))
			}
			continue
		}
		sum += w & CellMask
	}
	t.recompute(sum)
}

// Mine is how many units this process has.
//
// Preconditions: the counts is locked.
func (t *UndoCounts) Mine() int64 {
	if s := t.Cell(); s != nil {
		return int64(s.Load() & CellMask)
	}
	return 0
}

// Add gives this process n units more, or -n less. It fails when the cell was overwritten.
//
// Preconditions: the counts is locked, and the process has and will have from 0 to [MaxOwned]
// units.
func (t *UndoCounts) Add(n int64) error {
	s := t.Cell()
	if s == nil {
		return ErrDamaged
	}
	w := s.Load()
	if next := int64(w&CellMask) + n; next < 0 || next > MaxOwned || !s.CompareAndSwap(w, w&^CellMask|uint64(next)) {
		return ErrDamaged
	}
	crashpoint.Here("tally.added")
	return nil
}

// Cell is the cell of this process, which it claims when it has none; nil when all was overwritten.
// It may count anew.
//
// Preconditions: the counts is locked.
//
// What a death leaves behind, between the claim and the count: a lock with a dead owner.
func (t *UndoCounts) Cell() *atomic.Uint64 {
	lost := false
	s := t.slots.Claim(0, func(w uint64) {
		lost = true
		t.table.TookOver(CellOwner(w), uint64(t.target))
	})
	if lost { // units of the dead went with its cell
		t.reclaim()
	}
	if s == nil || CellOwner(s.Load()) != t.me {
		return nil
	}
	return s
}

// Held reports whether this process has units, or holds the lock.
func (t *UndoCounts) Held() bool {
	if t.mu.Held() {
		return true
	}
	s := t.slots.Mine()
	return s != nil && s.Load()&CellMask != 0
}

// Watch has a sleeper watch the processes that have units, and then the holder of the lock. Of a
// process that takes its units off its cell meanwhile it sees the units, or the lock, or that all
// is done: see the callers for that.
func (t *UndoCounts) Watch(w *Watch) {
	for _, v := range t.slots.All {
		if v&CellMask != 0 {
			w.Process(CellOwner(v))
		}
	}
	w.Process(t.mu.Owner())
}

// UndoOwners are the processes that have units in the counts in mem.
func UndoOwners(mem []byte) (owners []proctab.Owner) {
	for _, w := range UndoCells(mem) {
		owners = append(owners, CellOwner(w))
	}
	return owners
}

// UndoCells are the cells in the counts in mem that have units; see [CellOwner] and [CellMask].
func UndoCells(mem []byte) (cells []uint64) {
	if len(mem) < UndoHeadBytes {
		return nil
	}
	for _, w := range CellsIn(mem[UndoHeadBytes:], undoRegionIn(mem).high.Load()) {
		if w&CellMask != 0 {
			cells = append(cells, w)
		}
	}
	return cells
}

// UndoBytes is how much shared memory the counts of n processes need, aligned to a cache line.
func UndoBytes(n int) int { return UndoHeadBytes + ProcSlotsBytes(n) }
