package lock

import (
	"context"
	"errors"
	"math"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// ErrNegative says that more was to be done than had been added.
var ErrNegative = errors.New("more is done than was added")

// A WaitGroup is one process's half of a count in shared memory, which goroutines of all processes wait for
// to become 0. Each process has one WaitGroup for each: its goroutines share it. It must not be copied.
//
//	bits  0..31  count
//	bits 32..63  generation: how often the count has become 0
//
// Who waits remembers the generation, so that it returns even when the count was raised again before it came to look.
// With undo, see tally, each process has a seat that counts what it has added and not done, and the count is the
// sum of all seats; both change under the lock of the tally.
//
// # Deaths
//
//	added, not done            without undo that is never done; with undo the others count anew, see tally
//	reached 0, nobody woken    with undo the sleepers watch this process; without they look again within the backstop
//	about to sleep, or asleep  an armed bell, which costs the one who reaches 0 a system call
type WaitGroup struct {
	r      *waitGroupRegion
	owned  *tally // what each process has added and not done; nil without undo
	closer *wait.Closer
	event  *EventCount
	policy wait.Policy
	shadow race.Shadow
}

const (
	groupCountMask  = math.MaxUint32
	groupGeneration = groupCountMask + 1 // what the word grows by when the count becomes 0
)

// InitWaitGroup writes a wait group into zeroed memory that nobody else sees yet.
func InitWaitGroup(mem []byte, undo bool) {
	if undo {
		waitGroupIn(mem).undo = 1
	}
}

// IsWaitGroupUndo reports whether the wait group in mem, which has WaitGroupBytes at least, is one with undo.
func IsWaitGroupUndo(mem []byte) bool { return waitGroupIn(mem).undo != 0 }

// NewWaitGroup views mem, which lies in the party's segment, as a wait group. With undo it has WaitGroupUndoBytes of as many
// processes as there can be.
func NewWaitGroup(party *Party, mem []byte, undo bool, policy wait.Policy) *WaitGroup {
	g := &WaitGroup{r: waitGroupIn(mem), closer: party.Closer, policy: policy}
	g.event = newSwappedCount(party, mem[waitGroupEventAt:])
	if undo {
		g.owned = newTally(party, mem[WaitGroupBytes:], policy, g.settle)
	}
	return g
}

// SetTarget says what those who wait are reported to wait for; before the first use.
func (g *WaitGroup) SetTarget(subject Target) { g.event.Target = subject }

// countedTo returns the word w with that count.
func countedTo(w uint64, count uint32) uint64 {
	if count == 0 && uint32(w) != 0 {
		w += groupGeneration
	}
	return w&^groupCountMask | uint64(count)
}

// Add adds n, which may be negative, to the count. When that becomes 0 all who wait are woken.
//
// Errors: [ErrNegative], [ErrImpossible] when the count would be too large, [ErrClosed],
// [ErrDamaged]; nothing was added.
func (g *WaitGroup) Add(n int64) error {
	defer runtime.KeepAlive(g)
	switch {
	case g.closer.Closed():
		return ErrClosed
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
		// SYNC: done: what was done before is visible to whoever sees the count as 0, or the generation moved on.
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
		return 0, ErrImpossible
	}
	return uint32(count + n), nil
}

// addOwned is Add with undo.
//
// What a death leaves behind: a tally whose lock's owner died, which the next one who locks it counts anew; and before
// the ring, sleepers who watch this process, see watch.
func (g *WaitGroup) addOwned(n int64) error {
	t := g.owned
	if err := t.lock(context.Background()); err != nil {
		return err
	}
	count, err := g.addLocked(n)
	t.unlock()
	if err == nil {
		g.wake(count)
	}
	return err
}

func (g *WaitGroup) addLocked(n int64) (count uint32, err error) {
	t := g.owned
	mine := t.mine()
	t.countDead() // first, for they may have been the last
	if n < -mine {
		return 0, ErrNegative
	}
	w := g.r.word.Load()
	if count, err = sumOf(w, n); err != nil {
		return 0, err
	}
	if err := t.add(n); err != nil {
		return 0, err
	}
	// SYNC: done: the same as in Add.
	g.r.word.Store(countedTo(w, count))
	crashpoint.Here("waitgroup.added")
	return count, nil
}

// settle makes the count the sum of what the living have added and not done, under the lock of the tally.
func (g *WaitGroup) settle(sum uint64) {
	// SYNC: undo: what the dead had not done counts as done for whoever looks from here on.
	g.r.word.Store(countedTo(g.r.word.Load(), uint32(min(sum, math.MaxUint32))))
	crashpoint.Here("waitgroup.settled")
	g.r.event.bell.ring(everybody)
}

// wake wakes all who wait if the count has become 0.
func (g *WaitGroup) wake(count uint32) {
	if count == 0 && g.r.event.bell.isArmed() { // the change of the word is fence enough
		g.r.event.bell.ring(everybody)
	}
}

// Count is what has been added and not been done.
func (g *WaitGroup) Count() int64 {
	if g.owned != nil {
		g.owned.refresh(context.Background())
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
// Errors: [ErrClosed], the context's error.
func (g *WaitGroup) Wait(ctx context.Context) error {
	w := g.r.word.Load()
	if g.closer.Closed() {
		return ErrClosed
	}
	var err error
	if uint32(w) != 0 {
		err = g.await(ctx, w)
	}
	if err == nil {
		g.shadow.Acquire()
	}
	runtime.KeepAlive(g)
	return err
}

func (g *WaitGroup) await(ctx context.Context, began uint64) error {
	var failed error
	ready := func() bool {
		if !hasMovedOn(g.r.word.Load(), began) && g.owned != nil {
			failed = g.owned.refresh(ctx)
		}
		return failed != nil || hasMovedOn(g.r.word.Load(), began)
	}
	err := g.event.AwaitEach(ctx, g.policy, ready, func(w *Watch) { g.watch(w, began) })
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

// watch has a sleeper watch those who have not done what they added.
func (g *WaitGroup) watch(w *Watch, began uint64) {
	if g.owned == nil {
		return
	}
	g.owned.watch(w)
	// Who was the last to be done since the look may not be watched any more. When it dies before it rings,
	// nobody else does.
	if hasMovedOn(g.r.word.Load(), began) {
		w.Look(0)
	}
}

// Held reports whether this process has added what it has not done, where its end makes up for that, or is just changing that.
func (g *WaitGroup) Held() bool { return g.owned != nil && g.owned.held() }
