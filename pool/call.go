package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/queue"
)

// A call is what the parent knows of the task in a slot. Guarded by Pool.mu while it is live, its waiter's otherwise; live and
// out are guarded by Pool.mu at all times.
type call struct {
	out     bool    // submitted, and not released
	waiter  *waiter // nil: the caller has gone
	index   int     // of the first argument
	task    string
	options *TaskOptions
	serial  uint32  // of the current attempt
	tries   int     // attempts that failed with an error
	kills   int     // workers that died while they ran it
	live    bool    // queued, running, or waiting for another attempt
	delayed bool    // live, but it is not yet time to try again
	owed    bool    // not live, but pending: it may run again because of its error
	split   bool    // its worker died: its arguments are to run one by one; the one that ran was slot.at
	err     error   // instead of a result
	future  settler // of ApplyAsync, else nil

	timed   bool      // its waiter wants to know how long it takes
	since   time.Time // of the submission, if it is timed
	running time.Time // of the first look at which it ran, for the hard deadline
	expired bool      // its worker is being killed because of it
	stuck   bool      // a goroutine that cannot be killed is still at it, see local.go
	left    bool      // stuck, and otherwise nobody's
}

// grab gives the caller up to want slots, appended to slots. If there is none and the waiter has nothing else to wait for, it
// is woken when there may be some.
func (p *Pool) grab(w *waiter, slots []uint32, want int, hungry bool) []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(want, len(p.free))
	switch {
	case n == 0 && hungry && !slices.Contains(p.hungry, w):
		p.hungry = append(p.hungry, w)
	case n > 0 && len(p.hungry) > 0:
		p.unlist(w)
	}
	slots = append(slots, p.free[len(p.free)-n:]...)
	p.free = p.free[:len(p.free)-n]
	return slots
}

// sate notes that a waiter does not wait for a slot any more. What it was woken for is the next one's.
func (p *Pool) sate(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unlist(w)
	if len(p.free) > 0 && len(p.hungry) > 0 {
		p.rouse(p.hungry[0])
	}
}

func (p *Pool) unlist(w *waiter) {
	p.hungry = slices.DeleteFunc(p.hungry, func(h *waiter) bool { return h == w })
}

// admit has [Pool.Close] wait for a call that submits tasks as it goes, until dismiss.
//
// Errors: [ErrClosed].
func (p *Pool) admit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return ErrClosed
	}
	p.admitted++
	return nil
}

func (p *Pool) dismiss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admitted--; p.closing && p.settledAll() {
		close(p.empty)
	}
}

// submit sends the tasks in slots to the workers. Their arguments are in place, and p.calls says what they are but
// for the serial number and whether they are live. A closed pool takes those that were admitted before.
func (p *Pool) submit(ctx context.Context, slots []uint32, admitted bool) error {
	p.mu.Lock()
	if err := p.refusal(ctx, admitted); err != nil {
		p.mu.Unlock()
		p.release(slots...)
		return err
	}
	p.pending += len(slots)
	var room [64]uint64
	messages := room[:0]
	for _, i := range slots {
		p.calls[i].out = true
		p.enqueue(i)
		messages = append(messages, messageOf(i, p.calls[i].serial))
	}
	p.crew.wanted()
	p.mu.Unlock()
	crashpoint.Here("pool.queued")
	n, err := p.todo.PutBatch(ctx, messages)
	if err == nil {
		return nil
	}
	for _, m := range messages[n:] {
		if !p.withdraw(uint32(m), uint32(m>>32)) {
			n++ // recall has sent it
		}
	}
	switch {
	case n == len(messages):
		return nil
	case p.alive.Err() != nil:
		return context.Cause(p.alive)
	}
	return err
}

// refusal is why, under mu, the pool takes no task.
func (p *Pool) refusal(ctx context.Context, admitted bool) error {
	switch {
	case p.alive.Err() != nil:
		return context.Cause(p.alive)
	case p.closing && !admitted:
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// enqueue makes the task in slot i a queued one, under mu. Its message is sent after that.
func (p *Pool) enqueue(i uint32) {
	sl, c := &p.slots[i], &p.calls[i]
	c.serial = serialOf(sl.state.Load()) + 1
	if !c.live || c.delayed {
		p.work++
	}
	c.live, c.delayed, c.running = true, false, time.Time{}
	sl.soft, sl.timed, sl.kind, sl.result, sl.resultLen, sl.ran = int64(c.options.Soft), 0, 0, 0, 0, 0
	sl.at.Store(0)
	if c.timed || sl.count > 1 || c.serial%timedOf == 1 { // the first, too
		if sl.timed = 1; c.since.IsZero() {
			c.since = time.Now()
		}
	}
	if c.options.Hard > 0 {
		p.watchDeadlines()
	}
	// SYNC: task: the argument is visible to the worker that takes the slot.
	sl.state.Store(stateOf(phaseQueued, 0, c.serial)) // #1, #4 -> #2
}

// again tries the task in slot i, whose waiter has seen that it failed, once more after a time.
func (p *Pool) again(i uint32, after time.Duration, err error) {
	p.dropResult(i)
	p.mu.Lock()
	c := &p.calls[i]
	c.tries++
	p.retried++
	c.live, c.delayed, c.owed = true, true, false
	serial := c.serial
	// From here on a message of the attempt that has failed, sent twice because of a death, means nothing.
	p.slots[i].state.Store(stateOf(phaseFree, 0, serial)) // #4 -> #1
	event(slog.LevelInfo, "task runs again: it has failed", slog.String("task", c.task), slog.Int("failures", c.tries),
		slog.Duration("after", after), slog.Any("error", err))
	p.mu.Unlock()
	if after > 0 {
		time.AfterFunc(after, func() { p.resume(i, serial) })
		return
	}
	p.resume(i, serial)
}

// resume queues a task that was delayed, unless its caller has gone meanwhile.
func (p *Pool) resume(i, serial uint32) {
	p.mu.Lock()
	c := &p.calls[i]
	if !c.delayed || c.serial != serial {
		p.mu.Unlock()
		return
	}
	p.enqueue(i)
	serial = c.serial
	p.crew.wanted()
	p.mu.Unlock()
	p.resend(messageOf(i, serial))
}

// resend puts a message that is alone, or may be lost. It may wait for room, which the workers make.
func (p *Pool) resend(message uint64) {
	if err := p.todo.Put(p.alive, message); err != nil && p.alive.Err() == nil && !errors.Is(err, queue.ErrClosed) {
		p.fail(err)
	}
}

// finish hands the result in slot i to whoever waits for it, under mu, and reports whether nobody does. A message that is late
// or doubled is recognised by its serial number and by what is no longer live.
func (p *Pool) finish(i, serial uint32) (gone bool) {
	c := &p.calls[i]
	s := p.slots[i].state.Load()
	if !c.live || c.serial != serial || phaseOf(s) != phaseDone || serialOf(s) != serial {
		return false
	}
	return p.deliver(i)
}

// deliver ends the task in slot i, under mu, and reports whether nobody waits for its result.
func (p *Pool) deliver(i uint32) (gone bool) {
	c := &p.calls[i]
	c.live = false
	p.work--
	if c.owed = c.options.Retry != nil; !c.owed {
		p.settled()
	}
	if !c.since.IsZero() && c.err == nil {
		p.latency.add(time.Since(c.since), time.Duration(p.slots[i].ran), int(p.slots[i].count))
	}
	if c.waiter == nil {
		return true
	}
	c.waiter.ready = append(c.waiter.ready, i)
	c.waiter.signal()
	return false
}

// settled counts one task less, under mu.
func (p *Pool) settled() {
	if p.pending--; p.closing && p.settledAll() {
		close(p.empty)
	}
}

// withdraw takes back a task that no worker has begun. It reports whether it could.
func (p *Pool) withdraw(i, serial uint32) bool {
	p.mu.Lock()
	c := &p.calls[i]
	ok := c.live && c.serial == serial && (c.delayed ||
		p.slots[i].state.CompareAndSwap(stateOf(phaseQueued, 0, serial), stateOf(phaseFree, 0, serial))) // #2 -> #1
	if ok {
		if !c.delayed {
			p.work--
		}
		c.live, c.delayed = false, false
		p.settled()
	}
	p.mu.Unlock()
	if ok {
		p.release(i)
	}
	return ok
}

// abandon lets go of all tasks of a waiter: those that wait are withdrawn, the contexts of those that run end, and
// results are thrown away when they come.
func (p *Pool) abandon(w *waiter) {
	var live, ready []uint32
	p.mu.Lock()
	for i := range p.calls {
		c := &p.calls[i]
		switch {
		case !c.out || c.waiter != w:
		case c.live:
			live = append(live, uint32(i))
		default:
			ready = append(ready, uint32(i)) // its result has come, and nobody will look at it
		}
	}
	w.ready = w.ready[:0]
	p.mu.Unlock()
	p.cancel(live...)
	p.release(ready...)
}

// cancel lets go of tasks that are live.
func (p *Pool) cancel(slots ...uint32) {
	for _, i := range slots {
		p.mu.Lock()
		c := &p.calls[i]
		if !c.live {
			p.mu.Unlock()
			p.release(i)
			continue
		}
		serial := c.forget()
		p.mu.Unlock()
		p.interrupt(i, serial)
	}
}

// forget notes, under mu, that nobody waits for a live call any more.
func (c *call) forget() (serial uint32) {
	c.waiter, c.future = nil, nil
	return c.serial
}

// interrupt withdraws the task in slot i, or ends its context if it runs. It may come too late.
func (p *Pool) interrupt(i, serial uint32) {
	if p.withdraw(i, serial) {
		return
	}
	sl := &p.slots[i]
	p.mu.Lock()
	if c := &p.calls[i]; c.live && c.serial == serial {
		sl.cancel.Store(serial)
	}
	p.mu.Unlock()
	s := sl.state.Load()
	if phaseOf(s) == phaseRunning && serialOf(s) == serial {
		p.crew.interrupt(workerOf(s))
	}
}

// release frees the blocks of slots and the slots themselves.
func (p *Pool) release(slots ...uint32) {
	if p.local {
		if slots = p.withoutStuck(slots); len(slots) == 0 {
			return
		}
	}
	for _, i := range slots {
		p.dropArg(i)
		p.dropResult(i)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range slots {
		sl := &p.slots[i]
		sl.state.Store(stateOf(phaseFree, 0, serialOf(sl.state.Load())))
		if p.calls[i].owed {
			p.settled()
		}
		p.calls[i] = call{}
		p.free = append(p.free, i)
	}
	for _, w := range p.hungry[:min(len(p.hungry), len(p.free))] {
		p.rouse(w) // it leaves the list when it has got a slot
	}
}

// dropArg frees the block of the argument in slot i, if there is one.
func (p *Pool) dropArg(i uint32) {
	if sl := &p.slots[i]; sl.arg != 0 {
		p.s.Free(sl.arg)
		sl.arg = 0
	}
}

// dropResult frees the block of the result in slot i, if there is one. A worker that died before it gave it away has not
// given it for this slot, so that nothing is freed here even if the block is another one by now.
func (p *Pool) dropResult(i uint32) {
	sl := &p.slots[i]
	if sl.result == 0 {
		return
	}
	if p.local {
		p.s.Free(sl.result)
	} else {
		p.s.FreeGiven(sl.result, i+1)
	}
	sl.result = 0
}
