package lock

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// MaxOwned is how many units the processes that use a tally can have together.
const MaxOwned = seatMask

// A tally counts how many units of something each process has, so that when a process dies the others give back
// exactly those. The seats of a roster hold the counts. Whoever changes a seat holds the lock, and then changes
// what the object derives from the sum of all seats.
//
// # Deaths
//
// What the death of a process leaves behind, and who mends it:
//
//	has units               a seat of the dead. Whoever locks the tally, and finds it, takes the units off it and counts anew;
//	                        sleepers watch those who have units and come to look
//	holds the lock          the next one to lock is told, and counts anew: the seats are right at every step, only
//	                        what was derived from them may lag behind
//	is counting the dead    the same
//
// To count anew is to take the units off the seats of the dead, add up the others, and derive all from the sum. It can be
// begun again at any step.
type tally struct {
	mu     *Mutex
	roster *roster
	table  *proctab.Table
	me     proctab.Owner
	settle func(sum uint64) // derives all from the sum of the seats and wakes whom that concerns; called under the lock
}

// noWait is the context of those who do not wait: it has ended, because of ErrLocked.
var noWait = func() context.Context {
	ctx, end := context.WithCancelCause(context.Background())
	end(ErrLocked)
	return ctx
}()

// newTally views mem, which lies in the party's segment, as a tally. Its size says for how many processes.
func newTally(p *Party, mem []byte, policy wait.Policy, settle func(sum uint64)) *tally {
	r := tallyIn(mem)
	return &tally{
		mu:     NewMutex(p, mem, policy),
		roster: newRoster(p, &r.high, mem[tallyBytes:]),
		table:  p.Member.Table(),
		me:     p.Member.ID(),
		settle: settle,
	}
}

// lock locks the tally, and counts anew if somebody died who held the lock. With a ctx that has ended it gives up
// only when the lock is held by one that does not get on.
//
// Errors: the context's error, [ErrClosed]; the tally is not locked.
func (t *tally) lock(ctx context.Context) error {
	var err error
	if ctx.Err() == nil {
		err = t.mu.Lock(ctx)
	} else if err = t.lockSoon(); err == ErrLocked {
		return context.Cause(ctx)
	}
	if _, died := err.(*OwnerDiedError); died {
		t.recount()
		t.mu.TryMarkConsistent()
		return nil
	}
	return err
}

// lockSoon is TryLock that waits as long as a living process may take that is not stopped.
func (t *tally) lockSoon() error {
	spin := newSpin(wait.Adaptive, firstPause)
	for began := time.Now(); ; {
		err := t.mu.TryLock()
		if err != ErrLocked || time.Since(began) > dawdling {
			return err
		}
		if !spin.Pause() {
			time.Sleep(100 * time.Microsecond) // between two looks
		}
	}
}

// unlock unlocks the tally. When its bytes were overwritten meanwhile there is nothing to unlock.
func (t *tally) unlock() { t.mu.TryUnlock() }

// isStale reports whether somebody has died who has units, or who held the lock.
func (t *tally) isStale() bool {
	if o := t.mu.Owner(); o != 0 && o != t.me && t.table.Dead(o) {
		return true
	}
	for _, w := range t.roster.all {
		if t.isDead(w) {
			return true
		}
	}
	return false
}

// isDead reports whether a seat that holds w has units of the dead.
func (t *tally) isDead(w uint64) bool {
	return w&seatMask != 0 && ownerOfSeat(w) != t.me && t.table.Dead(ownerOfSeat(w))
}

// refresh counts anew if that is called for.
//
// Errors: those of lock.
func (t *tally) refresh(ctx context.Context) error {
	if !t.isStale() {
		return nil
	}
	if err := t.lock(ctx); err != nil {
		return err
	}
	t.countDead()
	t.unlock()
	return nil
}

// countDead counts anew if somebody has died who has units.
//
// Preconditions: the tally is locked.
func (t *tally) countDead() {
	for _, w := range t.roster.all {
		if t.isDead(w) {
			t.recount()
			return
		}
	}
}

// recount takes the units off the dead, and derives all from the rest.
//
// Preconditions: the tally is locked.
func (t *tally) recount() {
	sum := uint64(0)
	for seat, w := range t.roster.all {
		if t.isDead(w) {
			seat.CompareAndSwap(w, w&^seatMask)
			crashpoint.Here("tally.taken")
			continue
		}
		sum += w & seatMask
	}
	t.settle(sum)
}

// mine is how many units this process has.
//
// Preconditions: the tally is locked.
func (t *tally) mine() int64 {
	if s := t.seat(); s != nil {
		return int64(s.Load() & seatMask)
	}
	return 0
}

// add gives this process n units more, or -n less. It fails when the seat was overwritten.
//
// Preconditions: the tally is locked, and the process has and will have from 0 to [MaxOwned] units.
func (t *tally) add(n int64) error {
	s := t.seat()
	if s == nil {
		return ErrDamaged
	}
	w := s.Load()
	if next := int64(w&seatMask) + n; next < 0 || next > MaxOwned || !s.CompareAndSwap(w, w&^seatMask|uint64(next)) {
		return ErrDamaged
	}
	crashpoint.Here("tally.added")
	return nil
}

// seat is the seat of this process, which it claims when it has none; nil when all was overwritten. It may count anew.
//
// Preconditions: the tally is locked.
//
// What a death leaves behind, between the claim and the count: a tally whose lock's owner died.
func (t *tally) seat() *atomic.Uint64 {
	lost := false
	s := t.roster.claim(0, func(uint64) { lost = true })
	if lost { // units of the dead went with its seat
		t.recount()
	}
	if s == nil || ownerOfSeat(s.Load()) != t.me {
		return nil
	}
	return s
}

// held reports whether this process has units, or holds the lock.
func (t *tally) held() bool {
	if t.mu.Held() {
		return true
	}
	s := t.roster.mine.Load()
	return s != nil && s.Load()&seatMask != 0
}

// watch has a sleeper watch those who have units, and then who holds the lock. Of one who takes its units off its seat
// meanwhile it sees the units, or the lock, or that all is done: see the callers for that.
func (t *tally) watch(w *Watch) {
	for _, v := range t.roster.all {
		if v&seatMask != 0 {
			w.Process(ownerOfSeat(v))
		}
	}
	w.Process(t.mu.Owner())
}
