package pool

import (
	"log/slog"
	"time"

	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	deadlineMin = time.Millisecond
	deadlineMax = 100 * time.Millisecond
)

// watchDeadlines sees to it, under mu, that somebody looks for tasks that run for longer than they may.
func (p *Pool) watchDeadlines() {
	if !p.watching {
		p.watching = true
		go p.watch()
	}
}

// watch kills workers of tasks that are past their hard deadline, as long as there are tasks that have one.
func (p *Pool) watch() {
	for period := deadlineMin; period > 0; {
		select {
		case <-p.alive.Done():
			return
		case <-time.After(period):
		}
		var late []proctab.Owner
		p.mu.Lock()
		late, period = p.overdue(time.Now())
		p.watching = period > 0
		p.mu.Unlock()
		for _, w := range late {
			p.crew.kill(w)
		}
		if p.local && late != nil {
			p.nudge() // leaveBehind has delivered
		}
	}
}

// leaveBehind fails, under mu, the task in slot i of a local pool, whose state is s, unless it has finished. Only then its goroutine may
// be left alone: otherwise it may be at another task already, which must not run twice at once.
func (p *Pool) leaveBehind(i uint32, s uint64) bool {
	c := &p.calls[i]
	if !p.slots[i].state.CompareAndSwap(s, stateOf(phaseDone, 0, nextSerial(c.serial))) { // #3 -> #4
		return false
	}
	c.serial = nextSerial(c.serial)
	c.stuck = true
	if c.err = ErrClosed; c.expired { // otherwise nobody sees it
		c.err = c.late()
	}
	if p.deliver(i) {
		c.left = true // unstick releases it
	}
	return true
}

// late is the error of a call that ran past its hard deadline.
func (c *call) late() error {
	return &DeadlineError{Task: c.task, Limit: c.options.Hard}
}

// overdue finds the workers of tasks that are past their hard deadline, under mu, and says when to look again; 0: no
// task has one.
func (p *Pool) overdue(now time.Time) (late []proctab.Owner, period time.Duration) {
	for i := range p.calls {
		c := &p.calls[i]
		if !c.live || c.options.Hard == 0 {
			continue
		}
		step := min(max(c.options.Hard/20, deadlineMin), deadlineMax)
		if period == 0 || step < period {
			period = step
		}
		s := p.slots[i].state.Load()
		if phaseOf(s) != phaseRunning || serialOf(s) != c.serial || c.expired {
			continue
		}
		if c.running.IsZero() || p.hasReturned(uint32(i)) { // waiting for room does not count
			c.running = now
		} else if now.Sub(c.running) >= c.options.Hard {
			event(slog.LevelWarn, "worker killed: its task is past the hard deadline",
				slog.String("worker", p.crew.nameOf(workerOf(s))), slog.String("task", c.task), slog.Duration("limit", c.options.Hard))
			if c.expired = true; p.local && !p.leaveBehind(uint32(i), s) {
				continue // it has just finished
			}
			late = append(late, workerOf(s))
		}
	}
	return late, period
}
