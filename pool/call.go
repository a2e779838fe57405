package pool

import "time"

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
