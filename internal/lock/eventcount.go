package lock

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/wait"
)

// An EventCount lets goroutines of all processes sleep until something that they
// look at has changed, and costs whoever changes it one plain load when nobody sleeps.
// The idea is Dmitry Vyukov's and the eventcount of Reed and Kanodia (1979); see bell for how it works.
//
// In each process one goroutine at a time waits on an EventCount in the kernel; the others queue at the gate.
type EventCount struct {
	e     *event
	party *Party
	gate  chan struct{}
	watch Watch // of who is past the gate

	posted posting // of who is past the gate

	// Subject is what sleepers are reported to wait for; set before the first use.
	Subject Subject
}

// NewEventCount views the first [EventBytes] of mem, which lie in the party's segment, as an event count.
func NewEventCount(p *Party, mem []byte) *EventCount {
	return &EventCount{e: eventIn(mem), party: p, gate: make(chan struct{}, 1)}
}

// Notify wakes one sleeper, if there is any, after the caller has made its change
// visible with a release store or an atomic operation.
func (c *EventCount) Notify() {
	if !c.Quiet() {
		c.notify()
	}
}

// Quiet reports whether nobody sleeps, which is what the fast path of a Notify asks, after the change. It is
// small enough to be inlined. The caller keeps c alive.
func (c *EventCount) Quiet() bool { return futex.Registered() && !c.e.bell.seemsArmed() }

func (c *EventCount) notify() {
	if c.e.bell.isArmed() {
		c.e.bell.ring(1)
	}
	runtime.KeepAlive(c)
}

// NotifyAll wakes all sleepers, if there are any.
func (c *EventCount) NotifyAll() {
	if c.e.bell.isArmed() {
		c.e.bell.ring(everybody)
	}
	runtime.KeepAlive(c)
}

// Await returns nil once ready reports true. Ready is called by one goroutine of a process
// at a time; it may have effects, such as taking what it waited for. Extra is asked before every
// sleep for what else ends it, such as the death of a process; it may be nil.
//
// Errors: [ErrClosed], the context's error; ready reported false then.
func (c *EventCount) Await(ctx context.Context, policy wait.Policy, ready func() bool, extra func(*Watch)) error {
	if err := enter(ctx, c.gate, c.party.Closer); err != nil {
		return err
	}
	err := c.await(ctx, policy, ready, extra)
	c.party.Board.withdraw(c.posted)
	c.posted = 0
	<-c.gate
	runtime.KeepAlive(c)
	return err
}

// enter waits at the gate through which one goroutine of the process passes at a time.
func enter(ctx context.Context, gate chan<- struct{}, closer *wait.Closer) error {
	select {
	case gate <- struct{}{}:
		return nil
	default:
	}
	select {
	case gate <- struct{}{}:
		return nil
	case <-ctx.Done(): // the caller no longer waits
		return context.Cause(ctx)
	case <-closer.Done(): // the segment is being closed
		return ErrClosed
	}
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
			if slept { // it may have consumed a wake-up without use
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

// post puts the wait on the board before its first sleep.
func (c *EventCount) post() {
	if c.posted == 0 {
		c.posted = c.party.Board.post(c.Subject)
	}
}

// sleep announces itself, looks again, and sleeps until there may be something to
// see. It reports true when ready did.
//
// What a death leaves behind: an armed bell, which costs the next notifier one system call.
func (c *EventCount) sleep(ctx context.Context, ready func() bool, extra func(*Watch)) bool {
	ticket, sure := c.e.bell.arm()
	if ready() {
		return true
	}
	limit := wait.BackstopOf(ctx)
	if !sure {
		limit = silentLook
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
