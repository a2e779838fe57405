package lock

import (
	"context"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// An EventCount lets goroutines of all processes sleep until something that they look at has
// changed, and costs the change one plain load while no waiter sleeps. Changes may be plain stores,
// unless the count is made by NewSwappedCount. The idea is Dmitry Vyukov's and the eventcount of
// Reed and Kanodia (1979); see bell for how it works.
//
// In each process one goroutine, the leader, waits on an EventCount in the kernel; see
// [LeaderFollower]. Of one EventCount all wait by Await, or all by AwaitEach.
type EventCount struct {
	e       *EventRegion
	party   *Party
	swapped bool // every change is a fence itself, see bell; immutable
	leading *LeaderFollower
	watch   Watch // what the leader watches

	listed listing // wait of the leader in the table of waits

	// Target is what sleepers are reported to wait for; set before the first use.
	Target Target
}

// NewEventCount views the first [EventBytes] of mem, which lie in the party's segment, as an event
// count.
func NewEventCount(p *Party, mem []byte) *EventCount {
	return &EventCount{e: EventRegionIn(mem), party: p, leading: NewLeaderFollower()}
}

// NewSwappedCount is NewEventCount where every change is an atomic read-modify-write, or a
// sequentially consistent store. It needs no membarriers.
func NewSwappedCount(p *Party, mem []byte) *EventCount {
	c := NewEventCount(p, mem)
	c.swapped = true
	return c
}

// Armed reports whether there may be a sleeper, after a change that was a fence itself. It is for
// objects that have the region on the cache line of what changes.
func (r *EventRegion) Armed() bool { return r.bell.isArmed() }

// Ring wakes at most n sleepers, after a change that was a fence itself.
func (r *EventRegion) Ring(n int) { r.bell.ring(n) }

// Notify wakes one sleeper, if there is any, after the caller has made its change
// visible with a release store or an atomic operation.
func (c *EventCount) Notify() {
	if !c.Quiet() {
		c.notify()
	}
}

// Quiet reports whether a change needs no Notify, as no waiter sleeps, which is what the fast path
// of a Notify asks after the change. A false says that a Notify must follow, or Awaited, or Fence,
// whatever else the caller finds. It is small enough to be inlined. The caller keeps c alive.
func (c *EventCount) Quiet() bool { return futex.Registered() && c.e.bell.isQuiet() }

// Awaited is Notify that wakes no sleeper, and reports whether there may be one. Where it reports
// false, a waiter that is about to sleep sees the change.
func (c *EventCount) Awaited() bool {
	armed := c.look()&armed != 0
	runtime.KeepAlive(c)
	return armed
}

// Fence orders the change before what the caller reads next of the words that a waiter stores
// before it sleeps: either the caller sees those, or the waiter sees the change.
func (c *EventCount) Fence() {
	// of the word that the waiter swaps: the later one of the two sees what was before the earlier
	c.e.bell.word.Add(0)
	runtime.KeepAlive(c)
}

func (c *EventCount) notify() { c.wake(1) }

// NotifyAll wakes all sleepers, if there are any.
//
// A change for which only one waiter can sleep calls it, too: before that waiter in the line of the
// kernel may be a thread of one that was killed. The kernel announces the death of a process before
// it has ended all threads, and a thread that it has not ended takes a wake-up like any other.
func (c *EventCount) NotifyAll() { c.wake(AllSleepers) }

func (c *EventCount) wake(n int) {
	if w := c.look(); w&armed != 0 {
		c.e.bell.ringFrom(w, n)
	}
	runtime.KeepAlive(c)
}

// look is the look at the bell after a change.
func (c *EventCount) look() uint32 {
	if c.swapped {
		return c.e.bell.word.Load()
	}
	return c.e.bell.look()
}

// arm arms the bell, and reports whether all later changes ring it.
func (c *EventCount) arm() (ticket uint32, sure bool) {
	if c.swapped {
		return c.e.bell.arm(), true
	}
	return c.e.bell.armFenced()
}

// Await returns nil once ready reports true. Ready is called by one goroutine of a process
// at a time; it may have effects, such as taking what it waited for. Extra is asked before every
// sleep for what else ends it, such as the death of a process; it may be nil.
//
// Errors: [ErrClosed], the context's error; ready reported false then.
func (c *EventCount) Await(ctx context.Context, policy wait.Policy, ready func() bool, extra func(*Watch)) error {
	_, err := c.leading.Lead(ctx, c.party.Closer, nil)
	if err == nil {
		err = c.lead(ctx, policy, ready, extra)
	}
	runtime.KeepAlive(c)
	return err
}

// AwaitEach is Await in which every goroutine looks for itself, so that ready may be called by
// several at once. It is for objects where what ends the wait of one goroutine need not end that of
// another. With Await, a goroutine that waits for a change to come could hold up a follower after
// its change has come, on which the next change depends.
//
// Preconditions:
//   - waits end in the order in which they begin, as far as ready tells. So the leader never waits
//     for something later than a follower that has found, since, that it is not ready.
func (c *EventCount) AwaitEach(ctx context.Context, policy wait.Policy, ready func() bool, extra func(*Watch)) error {
	for !ready() {
		leads := c.leading.TryLead()
		if !leads {
			left := c.leading.Left()
			if ready() { // the leader may be one that waits for something later
				break
			}
			var err error
			if leads, err = c.leading.Lead(ctx, c.party.Closer, left); err != nil {
				return err
			}
		}
		if leads {
			return c.lead(ctx, policy, ready, extra)
		}
	}
	return nil
}

// lead waits as the leader, and leaves.
func (c *EventCount) lead(ctx context.Context, policy wait.Policy, ready func() bool, extra func(*Watch)) error {
	err := c.await(ctx, policy, ready, extra)
	c.party.Waits.remove(c.listed)
	c.listed = 0
	c.leading.Leave()
	return err
}

func (c *EventCount) await(ctx context.Context, policy wait.Policy, ready func() bool, extra func(*Watch)) error {
	slept := false
	for {
		for spin := newSpin(policy, 1); ; {
			if ready() {
				return nil
			}
			if !spin.Pause() {
				break
			}
		}
		if err := wait.Over(ctx, c.party.Closer); err != nil {
			if slept { // the waiter may have consumed a wake-up without use
				c.e.bell.ring(1)
			}
			return err
		}
		if policy == wait.Spinning {
			c.post()
			runtime.Gosched()
			continue
		}
		if c.sleep(ctx, ready, extra) {
			return nil
		}
		slept = true
	}
}

// post puts the wait on the table before its first sleep.
func (c *EventCount) post() {
	if c.listed == 0 {
		c.listed = c.party.Waits.add(c.Target)
	}
}

// sleep announces itself, looks again, and sleeps until there may be something to
// see. It reports true when ready did.
//
// What a death leaves behind: an armed bell, which costs the next notifier one system call.
func (c *EventCount) sleep(ctx context.Context, ready func() bool, extra func(*Watch)) bool {
	ticket, sure := c.arm()
	// SYNC: bell: this look comes after the arming. It is made of atomic loads, so that none is
	// satisfied before.
	if ready() {
		return true
	}
	limit := wait.BackstopOf(ctx)
	if !sure {
		limit = UnannouncedPoll
	}
	w := &c.watch
	w.begin(c.party, futex.Word{Addr: c.e.bell.futex(), Val: ticket}, limit)
	if extra != nil {
		extra(w)
	}
	c.post()
	wait.Park(ctx, c.party.Closer, w.limit, w.words[:w.n]...)
	w.spread()
	crashpoint.Here("event.woken")
	return false
}

// crowdLook is how often a sleeper looks that waits for more processes than it can sleep on.
const crowdLook = 5 * time.Millisecond

// A Watch is what a sleeper of an [EventCount] sleeps on besides the bell: above all the lives of
// the processes that it waits for. It is filled anew before every sleep.
type Watch struct {
	table *proctab.Table
	me    proctab.Owner
	words [wait.MaxWords]futex.Word // the bell's comes first
	n     int
	limit time.Duration
}

// Process ends the sleep when the process dies. One that is dead already keeps it from beginning.
// When there are more processes than a sleeper can watch, it looks from time to time.
func (w *Watch) Process(o proctab.Owner) {
	// A process does not sleep on its own liveness: the kernel wakes one sleeper of the word when
	// the process dies, and that must not be a thread which is dying, too.
	if o == w.me || o == 0 {
		return
	}
	live, ok := w.table.Liveness(o)
	switch {
	case !ok:
		w.Look(0)
	case w.n == len(w.words):
		w.Look(crowdLook)
	default:
		w.words[w.n] = live
		w.n++
	}
	if w.table.NeedsPolling(o) {
		w.Look(UnannouncedPoll)
	}
}

// Look makes the sleep end after d at the latest. With 0 there is no sleep.
func (w *Watch) Look(d time.Duration) { w.limit = min(w.limit, d) }

// begin starts to collect words with that of the bell.
func (w *Watch) begin(p *Party, bell futex.Word, limit time.Duration) {
	w.table, w.me = p.Member.Table(), p.Member.ID()
	w.words[0], w.n, w.limit = bell, 1, limit
}

// spread wakes the other sleepers of the words that w watches, because the kernel wakes only one
// sleeper of the word of a dead process.
func (w *Watch) spread() {
	for i := 1; i < w.n; i++ {
		w.table.WakeAll(w.words[i])
		w.words[i] = futex.Word{}
	}
}
