// Package cond holds the condition variable.
package cond

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Var is one process's half of a condition variable in shared memory. Each process
// has one Var for each condition variable. It must not be copied.
//
// Each process that waits has a cell, which counts its waiters and how many of them were notified,
// and a bell of its own. A notifier chooses a cell, grants one of its waiters the return, and rings
// its bell. So exactly one waiter returns for each Signal, and no other process wakes up.
//
// Within the process waiters queue in the order in which they came. One of them, the leader, sleeps
// on the bell, and passes what is granted on to the front of the queue.
//
// A grant stays in the cell until its waiter has the lock again. So the grants of a process that
// dies can be seen by others, which have them instead, see reclaimGrants. What the death of a
// process leaves behind:
//
//	waits                             a cell that notifiers pass over
//	was granted the return            the grant goes to another waiter: of a process that watches it, or within the backstop
//	granted, but has not rung         the waiter looks again within the backstop
//	is in the middle of a broadcast   the others know from its number that they are meant, within the backstop
//	gives a dead one's grant away     one waiter too many returns
//	holds the lock of the waiters     the leaders look after it, within the backstop
type Var struct {
	head    *head
	slots   *lock.ProcSlots
	mem     []byte
	lock    *lock.Mutex // for cells
	party   *lock.Party
	policy  wait.Policy
	shadow  race.Shadow
	place   atomic.Pointer[procPlace] // nil until this process waits for the first time
	leading *lock.LeaderFollower
	queue   waiterQueue

	// Target is what waiters are reported to wait for; set before the first use.
	Target lock.Target

	// Keep is the object. It stays reachable for as long as a call goes on, so that its memory is
	// not used anew. Set before the first use.
	Keep any
}

// A procPlace is where a process waits.
type procPlace struct {
	number   int
	cell     *atomic.Uint64
	sleepers *lock.EventCount
}

// A Lockable is what a waiter of a [Var] gives up while it waits.
type Lockable interface {
	// Relock reports whether the lock is held, also when there is an error. Its context does not
	// end.
	Relock(context.Context) (held bool, err error)
	Unlock()
}

// An Orphan can tell that it is a lock without a living holder that is not free either. While a
// holder lives, it notifies the waiters for what it does; after its death no process may.
type Orphan interface{ Orphaned() bool }

// errOrphaned says that the wait is over because the holder of the lock has died.
var errOrphaned = errors.New("the holder of the lock has died")

// ErrTooManyWaiters says that as many goroutines of this process wait for a [Var] as can be
// counted.
var ErrTooManyWaiters = errors.New("too many goroutines of this process wait")

// New views the first [Bytes] of mem, which lie in the party's segment, as a condition variable.
func New(p *lock.Party, mem []byte, policy wait.Policy) *Var {
	slots := p.Member.Table().Len()
	head := headIn(mem)
	return &Var{
		head:    head,
		slots:   lock.NewProcSlots(p, &head.high, mem[headBytes:headBytes+lock.ProcSlotsBytes(slots)]),
		mem:     mem[:Bytes(slots)],
		lock:    lock.NewMutex(p, mem, wait.Adaptive),
		party:   p,
		policy:  policy,
		leading: lock.NewLeaderFollower(),
	}
}

// SetTarget says what waiters are reported to wait for; before the first use.
func (c *Var) SetTarget(subject lock.Target) { c.Target, c.lock.Part = subject, subject }

// Held reports whether this process is in the middle of changing the owner of a cell.
func (c *Var) Held() bool { return c.lock.Held() }

// Wait gives l up, waits until it is notified or ctx ends, and takes l again. Orphan is l, if it
// knows the life of its holder, or nil: when that dies, at least one waiter returns as if it were
// notified.
//
// It returns two errors: why it was not notified, if it was not, and that of l.Relock. L is held
// unless l.Relock reports that it is not.
//
// Errors: the context's error, [lock.ErrClosed], [ErrTooManyWaiters], [lock.ErrNoCell]; those of
// l.Relock. When l.Unlock panics, Wait does, and nothing has changed.
//
// Preconditions: l is held.
func (c *Var) Wait(ctx context.Context, l Lockable, orphan Orphan) (over, again error) {
	defer runtime.KeepAlive(c)
	place, err := c.ownPlace(ctx)
	if err != nil {
		return err, nil
	}
	w := waiterPool.Get().(*waiter)
	if !c.queue.join(place.cell, w, &c.head.broadcasts) {
		waiterPool.Put(w)
		return ErrTooManyWaiters, nil
	}
	crashpoint.Here("cond.waiting")
	t := waitCall{c: c, place: place, w: w, orphan: orphan}
	defer t.end()
	l.Unlock()
	over = t.awaitGrant(ctx)
	if ctx.Done() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	if t.locked, again = l.Relock(ctx); t.locked {
		c.shadow.Acquire()
	}
	return over, again
}

// ownPlace returns where this process waits.
func (c *Var) ownPlace(ctx context.Context) (*procPlace, error) {
	if err := wait.Over(ctx, c.party.Closer); err != nil {
		return nil, err
	}
	if p := c.place.Load(); p != nil {
		return p, nil
	}
	return c.claim(ctx)
}

// A waitCall is what is left to do for a waiter in the queue when its Wait returns or panics.
type waitCall struct {
	c       *Var
	place   *procPlace
	w       *waiter
	orphan  Orphan // may be nil
	awaited bool   // Unlock has returned
	gone    bool   // it has given up, and is counted no more
	locked  bool   // it has the lock again
}

// awaitGrant waits until the waiter was granted the return. When it has an error, the waiter is not
// counted any more.
func (t *waitCall) awaitGrant(ctx context.Context) error {
	t.awaited = true
	err := t.followOrLead(ctx)
	if err == nil || !t.giveUp() || err == errOrphaned {
		return nil
	}
	return err
}

// giveUp gives up. It reports false when the waiter was granted the return by now.
func (t *waitCall) giveUp() bool {
	t.gone = t.c.queue.cancel(t.place.cell, t.w, t.c.party.Closer.Closed())
	crashpoint.Here("cond.left")
	return t.gone
}

// end takes the grant from the cell. One that did not lead to the lock goes to another waiter.
//
// What a death leaves behind: before it, a grant of the dead, though its waiter may have had the
// lock.
func (t *waitCall) end() {
	c := t.c
	if !t.awaited { // Unlock has panicked
		t.giveUp()
	}
	if !t.gone {
		c.queue.end(t.place.cell, !t.locked && c.party.Closer.Closed())
		crashpoint.Here("cond.returned")
		if !t.locked {
			c.Notify(1)
		}
	}
	t.w.reset()
	waiterPool.Put(t.w)
}

// followOrLead waits until the waiter was granted the return: behind the leader, or as the leader.
func (t *waitCall) followOrLead(ctx context.Context) error {
	c := t.c
	// the leader has passed a grant on when that is ready
	leads, err := c.leading.Lead(ctx, c.party.Closer, t.w.woken)
	if !leads {
		return err
	}
	defer c.leading.Leave()
	if len(t.w.woken) > 0 { // the last leader has passed a grant on
		return nil
	}
	return t.lead(ctx)
}

// lead sleeps on the bell of this process until the leader itself was granted the return.
func (t *waitCall) lead(ctx context.Context) error {
	c, looks, orphaned := t.c, 0, false
	look := func(watch *lock.Watch) {
		if c.look(t.place, watch); t.orphan != nil && t.orphan.Orphaned() {
			orphaned = true
			if watch != nil {
				watch.Look(0)
			}
		}
	}
	ready := func() bool {
		if c.queue.distribute(t.place.cell, t.w) {
			orphaned = false
			return true
		}
		// a leader that never sleeps has to look all the same
		if looks++; looks%spinLooks == 0 && c.policy == wait.Spinning {
			look(nil)
		}
		return orphaned
	}
	err := t.place.sleepers.Await(ctx, c.policy, ready, look)
	if err == nil && orphaned {
		return errOrphaned
	}
	return err
}

// spinLooks is after how many looks at its cell a spinning leader looks for the dead: some
// milliseconds.
const spinLooks = 1 << 10

var waiterPool = sync.Pool{New: func() any { return &waiter{woken: make(chan struct{}, 1)} }}
