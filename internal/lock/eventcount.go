package lock

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/wait"
)

// An EventCount lets goroutines of all processes sleep until something that they
// look at has changed, and costs whoever changes it one plain load when nobody sleeps.
// The idea is Dmitry Vyukov's and the eventcount of Reed and Kanodia (1979).
//
// Whoever is about to sleep pays for the ordering: it arms the event, issues a
// membarrier on behalf of everybody, and looks again. A notifier therefore needs
// no fence between its change and its look at the armed word: either it
// sees the sleeper, or the sleeper sees the change.
//
// In each process one goroutine at a time waits on an EventCount in the kernel; the others queue at the gate.
type EventCount struct {
	e     *event
	party *Party
	gate  chan struct{}
}

// NewEventCount views the first [EventBytes] of mem, which lie in the party's segment, as an event count.
func NewEventCount(p *Party, mem []byte) *EventCount {
	return &EventCount{e: eventIn(mem), party: p, gate: make(chan struct{}, 1)}
}

// Notify wakes one sleeper, if there is any, after the caller has made its change
// visible with a store or an atomic operation.
func (c *EventCount) Notify() {
	// SYNC: event: the change comes before this load, or the sleeper's membarrier comes after the change.
	if atomic.LoadUint32(&c.e.armed) != 0 {
		c.notifySlow(1)
	}
}

// NotifyAll wakes all sleepers, if there are any.
func (c *EventCount) NotifyAll() {
	if atomic.LoadUint32(&c.e.armed) != 0 {
		c.notifySlow(math.MaxInt32)
	}
}

// notifySlow disarms the event before it advances the sequence: who arms it later
// sleeps on the new sequence, and who armed it earlier does not sleep on the old one.
// When it woke somebody, others may sleep on, so that it arms the event again; when it
// woke nobody, the sleepers have gone, or are dead, and cost nothing any more.
func (c *EventCount) notifySlow(n int) {
	atomic.StoreUint32(&c.e.armed, 0)
	crashpoint.Here("event.disarmed")
	c.e.sequence.Add(1)
	crashpoint.Here("event.advanced")
	if futex.Wake(c.e.futex(), n) == n {
		crashpoint.Here("event.waking")
		atomic.StoreUint32(&c.e.armed, 1)
	}
	runtime.KeepAlive(c)
}

// Await returns nil once ready reports true. Ready is called by one goroutine of a process
// at a time; it may have effects, such as taking what it waited for. Extra is asked before every
// sleep for one more word to sleep on, such as the liveness of a process; it may be nil.
//
// Errors: [ErrClosed], the context's error; ready reported false then.
func (c *EventCount) Await(ctx context.Context, policy wait.Policy, ready func() bool, extra func() futex.Word) error {
	select {
	case c.gate <- struct{}{}:
	default:
		select {
		case c.gate <- struct{}{}:
		case <-ctx.Done(): // the caller no longer waits
			return context.Cause(ctx)
		case <-c.party.Closer.Done(): // the segment is being closed
			return ErrClosed
		}
	}
	err := c.await(ctx, policy, ready, extra)
	<-c.gate
	runtime.KeepAlive(c)
	return err
}

func (c *EventCount) await(ctx context.Context, policy wait.Policy, ready func() bool, extra func() futex.Word) error {
	slept := false
	for {
		for spin := wait.NewSpin(policy, 1, lastPause); ; {
			if ready() {
				return nil
			}
			if !spin.Pause() {
				break
			}
		}
		err := wait.Over(ctx, c.party.Closer)
		if err != nil {
			if slept { // it may have consumed a wake-up without use
				c.notifySlow(1)
			}
			return err
		}
		if policy == wait.Spinning {
			runtime.Gosched()
			continue
		}
		if c.sleep(ctx, ready, extra) {
			return nil
		}
		slept = true
	}
}

// sleep announces itself, looks again, and sleeps until there may be something to
// see. It reports true when ready did.
//
// What a death leaves behind: an armed word, which costs the next notifier one system call.
func (c *EventCount) sleep(ctx context.Context, ready func() bool, extra func() futex.Word) bool {
	seq := c.e.sequence.Load()
	atomic.StoreUint32(&c.e.armed, 1)
	crashpoint.Here("event.armed")
	fenced := futex.Membarrier()
	if ready() {
		return true
	}
	limit := wait.Backstop
	if !fenced {
		limit = silentLook // a change may have slipped through between a notifier's store and load
	}
	words := [2]futex.Word{{Addr: c.e.futex(), Val: seq}}
	n := 1
	if extra != nil {
		if w := extra(); w.Addr != nil {
			words[1], n = w, 2
		}
	}
	wait.Park(ctx, c.party.Closer, limit, words[:n]...)
	if n == 2 {
		c.party.Member.Table().Spread(words[1])
	}
	crashpoint.Here("event.woken")
	return false
}
