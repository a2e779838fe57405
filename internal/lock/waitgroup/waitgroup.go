// Package waitgroup holds the count that goroutines wait for to become 0.
package waitgroup

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

// ErrNegative says that more was to be done than had been added.
var ErrNegative = errors.New("more is done than was added")

// A Group is one process's half of a count in shared memory, which goroutines of all processes wait
// for to become 0. Each process has one Group for each: its goroutines share it. It must not be
// copied.
//
//	bits  0..31  count
//	bits 32..63  generation: how often the count has become 0
//
// A waiter remembers the generation, so that it returns even when the count was raised again before
// it came to look. With undo, see [lock.UndoCounts], each process has a cell that counts what it
// has added and not done, and the count is the sum of all cells; both change under the lock of the
// counts.
//
// # Deaths
//
//	added, not done            without undo that is never done; with undo the others count anew, see [lock.UndoCounts]
//	reached 0, no ring yet     with undo the sleepers watch this process; without they look again within the backstop
//	about to sleep, or asleep  an armed bell, which costs the process that reaches 0 a system call
type Group struct {
	r      *region
	owned  *lock.UndoCounts // what each process has added and not done; nil without undo
	closer *wait.Closer
	event  *lock.EventCount
	policy wait.Policy
	shadow race.Shadow
}

const (
	groupCountMask  = math.MaxUint32
	groupGeneration = groupCountMask + 1 // what the word grows by when the count becomes 0
)

// Init writes a wait group into zeroed memory that no other process sees yet.
func Init(mem []byte, undo bool) {
	if undo {
		regionIn(mem).undo = 1
	}
}

// HasUndo reports whether the wait group in mem, which has Bytes at least, is one with undo.
func HasUndo(mem []byte) bool { return regionIn(mem).undo != 0 }

// New views mem, which lies in the party's segment, as a wait group. With undo it has BytesWithUndo
// of as many processes as there can be.
func New(party *lock.Party, mem []byte, undo bool, policy wait.Policy) *Group {
	g := &Group{r: regionIn(mem), closer: party.Closer, policy: policy}
	g.event = lock.NewSwappedCount(party, mem[eventOffset:])
	if undo {
		g.owned = lock.NewUndoCounts(party, mem[Bytes:], policy, g.recompute)
	}
	return g
}

// SetTarget says what waiters are reported to wait for; before the first use.
func (g *Group) SetTarget(subject lock.Target) {
	g.event.Target = subject
	g.owned.SetTarget(subject)
}

// countedTo returns the word w with that count.
func countedTo(w uint64, count uint32) uint64 {
	if count == 0 && uint32(w) != 0 {
		w += groupGeneration
	}
	return w&^groupCountMask | uint64(count)
}

// Add adds n, which may be negative, to the count. When that becomes 0 all waiters are woken.
//
// Errors: [ErrNegative], [lock.ErrImpossible] when the count would be too large, [lock.ErrClosed],
// [lock.ErrDamaged]; nothing was added.
func (g *Group) Add(n int64) error {
	defer runtime.KeepAlive(g)
	switch {
	case g.closer.Closed():
		return lock.ErrClosed
	case n == 0:
		return nil
	case n < 0:
		g.shadow.ReleaseMerge()
	}
	if g.owned != nil {
		return g.addOwned(n)
	}
	for {
		w := g.r.word.Load()
		count, err := sumOf(w, n)
		if err != nil {
			return err
		}
		// SYNC: done: what was done before is visible to every waiter that sees the count as 0, or
		// the generation moved on.
		if g.r.word.CompareAndSwap(w, countedTo(w, count)) {
			crashpoint.Here("waitgroup.added")
			g.wake(count)
			return nil
		}
	}
}

// sumOf is the count of w and n.
func sumOf(w uint64, n int64) (uint32, error) {
	count := int64(uint32(w))
	switch {
	case n < -count:
		return 0, ErrNegative
	case n > math.MaxUint32-count:
		return 0, lock.ErrImpossible
	}
	return uint32(count + n), nil
}

// addOwned is Add with undo.
//
// What a death leaves behind: counts with a lock of a dead owner, which the next process that locks
// them counts anew; and before the ring, sleepers that watch this process, see watchDebtors.
func (g *Group) addOwned(n int64) error {
	t := g.owned
	if err := t.Lock(context.Background()); err != nil {
		return err
	}
	count, err := g.addLocked(n)
	t.Unlock()
	if err == nil {
		g.wake(count)
	}
	return err
}

func (g *Group) addLocked(n int64) (count uint32, err error) {
	t := g.owned
	mine := t.Mine()
	t.ReclaimDead() // first, for they may have been the last
	if n < -mine {
		return 0, ErrNegative
	}
	w := g.r.word.Load()
	if count, err = sumOf(w, n); err != nil {
		return 0, err
	}
	if err := t.Add(n); err != nil {
		return 0, err
	}
	// SYNC: done: the same as in Add.
	g.r.word.Store(countedTo(w, count))
	crashpoint.Here("waitgroup.added")
	return count, nil
}

// recompute makes the count the sum of what the living have added and not done, under the lock of
// the counts.
func (g *Group) recompute(sum uint64) {
	// SYNC: undo: what the dead had not done counts as done for every process that looks from here
	// on.
	g.r.word.Store(countedTo(g.r.word.Load(), uint32(min(sum, math.MaxUint32))))
	crashpoint.Here("waitgroup.settled")
	g.r.event.Ring(lock.AllSleepers)
}

// wake wakes all waiters if the count has become 0.
func (g *Group) wake(count uint32) {
	if count == 0 && g.r.event.Armed() { // the change of the word is fence enough
		g.r.event.Ring(lock.AllSleepers)
	}
}

// Count is what has been added and not been done.
func (g *Group) Count() int64 {
	if g.owned != nil {
		g.owned.Refresh(context.Background())
	}
	count := int64(uint32(g.r.word.Load()))
	if count == 0 {
		g.shadow.Acquire()
	}
	runtime.KeepAlive(g)
	return count
}

// Wait returns nil when the count is 0, or has been since the call began.
//
// Errors: [lock.ErrClosed], the context's error.
func (g *Group) Wait(ctx context.Context) error {
	w := g.r.word.Load()
	if g.closer.Closed() {
		return lock.ErrClosed
	}
	var err error
	if uint32(w) != 0 {
		err = g.awaitZero(ctx, w)
	}
	if err == nil {
		g.shadow.Acquire()
	}
	runtime.KeepAlive(g)
	return err
}

func (g *Group) awaitZero(ctx context.Context, began uint64) error {
	var failed error
	ready := func() bool {
		if !hasMovedOn(g.r.word.Load(), began) && g.owned != nil {
			failed = g.owned.Refresh(ctx)
		}
		return failed != nil || hasMovedOn(g.r.word.Load(), began)
	}
	err := g.event.AwaitEach(ctx, g.policy, ready, func(w *lock.Watch) { g.watchDebtors(w, began) })
	switch {
	case hasMovedOn(g.r.word.Load(), began) && !g.closer.Closed():
		return nil // perhaps while this goroutine followed another
	case err != nil:
		return err
	}
	return failed
}

// hasMovedOn reports whether the count has become 0 since the word was began.
func hasMovedOn(w, began uint64) bool { return w/groupGeneration != began/groupGeneration }

// watchDebtors has a sleeper watch the processes that have not done what they added.
func (g *Group) watchDebtors(w *lock.Watch, began uint64) {
	if g.owned == nil {
		return
	}
	g.owned.Watch(w)
	// The last process to be done since the look may not be watched any more. When it dies before
	// it rings, no other process does.
	if hasMovedOn(g.r.word.Load(), began) {
		w.Look(0)
	}
}

// Held reports whether this process has added what it has not done, where its end makes up for
// that, or is just changing that.
func (g *Group) Held() bool { return g.owned != nil && g.owned.Held() }

// Debtors are the processes that have not done what they added to the wait group in mem; none when
// that belongs to no process.
func Debtors(mem []byte) []proctab.Owner {
	if len(mem) < Bytes || regionIn(mem).undo == 0 {
		return nil
	}
	return lock.UndoOwners(mem[Bytes:])
}
