package barrier

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// Abort breaks the barrier: each waiter, and each party that arrives, gets a [*BrokenError] until a
// Reset.
func (b *Cyclic) Abort() {
	if !b.party.Closer.Closed() {
		b.markBroken(b.load().generation(), ByAbort, b.party.Member.ID())
	}
	runtime.KeepAlive(b)
}

// Broken reports whether the barrier is broken. It looks for dead parties.
func (b *Cyclic) Broken() bool {
	broken := false
	if !b.party.Closer.Closed() {
		b.detectDeath(b.load().generation())
		broken = b.load().broken()
	}
	runtime.KeepAlive(b)
	return broken
}

// resetPatience is how long Reset waits for others that join or reset. It takes them microseconds,
// unless they are stopped.
const resetPatience = 100 * time.Millisecond

// Reset makes the barrier whole, without waiters, and forgets dead parties. Each waiter gets a
// [*BrokenError].
func (b *Cyclic) Reset() {
	ctx, cancel := context.WithTimeout(context.Background(), resetPatience)
	defer cancel()
	switch err := b.m.Lock(ctx); {
	case err == nil:
		defer b.m.TryUnlock()
	case errors.Is(err, lock.ErrOwnerDied):
		b.m.TryMarkConsistent()
		defer b.m.TryUnlock()
	case err == lock.ErrClosed:
		return
	}
	// Without the lock, when its holder is stopped or the bytes are damaged, what another Reset
	// does at the same time may break the barrier once more. See dropDead.
	b.reset()
	runtime.KeepAlive(b)
}

// reset is Reset under the lock.
//
// What a death leaves behind: after the first step, a barrier that is broken, for the next Reset.
// Dead parties are forgotten only while it is broken, and no other process can make it whole, so
// that no waiter waits for a party that is not seen any more.
func (b *Cyclic) reset() {
	for s := b.load(); !s.broken(); s = b.load() { // again when the generation has ended meanwhile
		g := s.generation()
		switch {
		case b.detectDeath(g):
		case s.arrived() == 0:
			return
		default:
			b.markBroken(g, ByReset, b.party.Member.ID())
		}
	}
	b.dropDead()
	for s := b.load(); s.broken(); s = b.load() {
		if b.swap(s, s.next(true)) { // #2 -> #1'
			crashpoint.Here("barrier.reset")
			b.event.NotifyAll()
			break
		}
	}
}

// detectDeath looks for a party that has died, and breaks generation g if there is one. It reports
// whether there is.
func (b *Cyclic) detectDeath(g uint32) bool {
	table, me := b.party.Member.Table(), b.party.Member.ID()
	for _, w := range b.slots.All {
		if owner := lock.CellOwner(w); owner != me && table.Dead(owner) {
			b.markBroken(g, ByDeath, owner)
			return true
		}
	}
	return false
}

// dropDead frees the cells of dead parties, while the barrier is broken. When it is not, because
// another process has made it whole at the same time, it breaks again: a waiter of now may be
// waiting for one of them.
func (b *Cyclic) dropDead() {
	table := b.party.Member.Table()
	for cell, w := range b.slots.All {
		owner := lock.CellOwner(w)
		if !table.Dead(owner) || !cell.CompareAndSwap(w, 0) {
			continue // alive, or another one's meanwhile
		}
		crashpoint.Here("barrier.forgotten")
		if s := b.load(); !s.broken() {
			b.markBroken(s.generation(), ByDeath, owner)
		}
	}
}

// markBroken breaks generation g, and reports whether it did: false when that is over.
// The cause comes first, so that it is there for every process that sees the state.
func (b *Cyclic) markBroken(g uint32, why Cause, who proctab.Owner) bool {
	s := b.load()
	if s.generation() != g {
		return false
	}
	b.recordCause(newCauseWord(g, why, who))
	for ; !s.isOver(g); s = b.load() {
		if b.swap(s, s|brokenBit) { // #1, #3 -> #2
			crashpoint.Here("barrier.broken")
			if why == ByDeath {
				b.party.Member.Table().TookOver(who, uint64(b.event.Target))
			}
			b.event.NotifyAll()
			return true
		}
	}
	return false
}

// recordCause notes why the present generation breaks. The first cause stays, unless it turns
// out that a party died, which may be the cause of the other.
func (b *Cyclic) recordCause(c causeWord) {
	for {
		old := causeWord(b.h.cause.Load())
		if old.generation() == c.generation() && old.why() != Unknown && (c.why() != ByDeath || old.why() == ByDeath) {
			return
		}
		if b.h.cause.CompareAndSwap(uint64(old), uint64(c)) {
			crashpoint.Here("barrier.blamed")
			return
		}
	}
}

// ErrBroken says that a barrier is broken, or was while the caller waited.
var ErrBroken = errors.New("the barrier is broken")

// A BrokenError is an [ErrBroken] that says why, as far as that is known.
type BrokenError struct {
	Cause Cause
	// of the process that died or broke the barrier, in its own PID namespace; 0: not known
	PID      int
	Program  string    // the name of its program, or the first 23 bytes of it
	Attached time.Time // when it opened the segment
}

func (e *BrokenError) Error() string {
	who := proctab.Info{PID: e.PID, Program: e.Program}.String()
	return fmt.Sprintf("%v: %s", ErrBroken, e.Cause.Describe(who))
}

// Unwrap makes [errors.Is] find [ErrBroken].
func (e *BrokenError) Unwrap() error { return ErrBroken }

// Describe says what the process of that name has done.
func (c Cause) Describe(who string) string {
	switch c {
	case ByDeath:
		return who + ", a party, died"
	case ByAbort:
		return who + " aborted it"
	case ByGivingUp:
		return who + " gave up waiting"
	case ByAction:
		return "the action of " + who + " failed"
	case ByReset:
		return who + " reset it"
	}
	return "it is not known why"
}
