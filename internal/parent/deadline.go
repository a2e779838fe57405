package parent

import (
	"log/slog"
	"time"

	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

const (
	deadlineMin = time.Millisecond
	deadlineMax = 100 * time.Millisecond
)

// watchDeadlines makes sure that a goroutine looks for tasks that run for too long. p.mu is held.
func (p *Pool) watchDeadlines() {
	if !p.watching {
		p.watching = true
		go p.watch()
	}
}

// watch kills workers of tasks that are past their hard deadline, as long as there are tasks that
// have one.
func (p *Pool) watch() {
	for period := deadlineMin; period > 0; {
		select {
		case <-p.alive.Done():
			return
		case <-time.After(period):
		}
		var late []lateTask
		p.mu.Lock()
		late, period = p.overdue(time.Now())
		p.watching = period > 0
		p.mu.Unlock()
		if p.local && late != nil {
			p.wakeLeader() // leaveBehind has delivered
		}
	}
}

// leaveBehind fails the task in slot i, with state s, of a local pool, unless it has finished. p.mu
// is held. Only a goroutine that still runs this task may be left alone: otherwise it may have
// begun another task, which must not run twice at once.
func (p *Pool) leaveBehind(i uint32, s uint64) bool {
	c := &p.calls[i]
	// #3 -> #4
	if !p.table.Slots[i].State.CompareAndSwap(s, tasktable.StateOf(tasktable.PhaseDone, 0, nextSerial(c.serial))) {
		return false
	}
	c.serial = nextSerial(c.serial)
	c.stuck = true
	// No caller sees task.ErrClosed: the callers are gone unless the task has expired.
	if c.Err = task.ErrClosed; c.expired {
		c.Err = p.late(c)
	}
	if p.deliver(i) {
		c.left = true // unstick releases it
	}
	return true
}

// late is the error of a call that ran past its hard deadline.
func (p *Pool) late(c *Call) error {
	return p.options.Errors.Late(c.task, c.Options.HardDeadline, c.stack)
}

// A lateTask is a task past its hard deadline, as it was seen.
type lateTask struct {
	slot  uint32
	state uint64      // of the slot
	child *supervisor // its worker
}

// overdue finds tasks that are past their hard deadline, under mu, sees to their end, and says when
// to look again; 0: no task has one.
func (p *Pool) overdue(now time.Time) (late []lateTask, period time.Duration) {
	for i := range p.calls {
		c := &p.calls[i]
		if !c.live || c.Options.HardDeadline == 0 {
			continue
		}
		step := min(max(c.Options.HardDeadline/20, deadlineMin), deadlineMax)
		if period == 0 || step < period {
			period = step
		}
		s := p.table.Slots[i].State.Load()
		if tasktable.PhaseOf(s) != tasktable.PhaseRunning || tasktable.SerialOf(s) != c.serial || c.expired || c.asked == c.serial {
			continue
		}
		if c.running.IsZero() || p.hasReturned(uint32(i)) { // waiting for room does not count
			c.running = now
		} else if now.Sub(c.running) >= c.Options.HardDeadline {
			if task := (lateTask{uint32(i), s, p.workers.find(tasktable.WorkerOf(s))}); task.child != nil && p.endLate(task) {
				late = append(late, task)
			}
		}
	}
	return late, period
}

// endLate sees, under mu, to the end of a task that is past its hard deadline. Its worker is alive,
// so that the pool waits for the goroutine. It reports false when the task has just finished.
func (p *Pool) endLate(task lateTask) bool {
	c := &p.calls[task.slot]
	if !p.local {
		c.asked = c.serial
		p.keepers.Go(func() { p.killLate(task) })
		return true
	}
	c.expired = true
	if g, ok := task.child.host.(*goroutine); ok {
		c.stack = g.w.Stack()
	}
	if !p.leaveBehind(task.slot, task.state) {
		return false
	}
	task.show(c)
	task.child.host.Kill()
	return true
}

// killLate asks the worker of a task that is past its hard deadline for the stack of it, and then
// kills the worker, unless the task has finished meanwhile.
func (p *Pool) killLate(task lateTask) {
	stack := p.askStack(task)
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.calls[task.slot]
	if !c.live || c.serial != tasktable.SerialOf(task.state) || p.table.Slots[task.slot].State.Load() != task.state || p.hasReturned(task.slot) {
		return
	}
	c.expired, c.stack = true, stack
	task.show(c)
	if h := task.child.host; h != nil {
		h.Kill()
	}
}

func (t lateTask) show(c *Call) {
	t.child.p.event(slog.LevelWarn, "worker killed: its task is past the hard deadline",
		slog.String("worker", t.child.name()), slog.String("task", c.task), slog.Duration("limit", c.Options.HardDeadline))
}
