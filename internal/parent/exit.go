package parent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/internal/worker"
)

// A WorkerStart says which worker has been started, as pool.WorkerStart does, with the same fields.
type WorkerStart struct {
	Name   string
	PID    int
	Before int
}

// A WorkerExit says how a worker has ended, as pool.WorkerExit does, with the same fields.
type WorkerExit struct {
	Name     string
	PID      int
	ExitCode int
	Signal   string
	Reason   string
	Stderr   string
}

// ended looks after what the worker has left, and reports whether there shall be another.
func (c *supervisor) ended(d WorkerExit) (again bool) {
	worker := proctab.Owner(c.record.Owner.Load())
	st := tasktable.Stage(c.record.Stage.Load())
	d.Reason = c.noteEnd(st).String()
	c.p.handleDeath(worker, d, st >= tasktable.StageWorn && d.ExitCode == 0)
	c.p.collectReady() // a task without a caller is no work to start a worker for
	c.p.showEnd(d, st)
	if f := c.p.options.OnWorkerExit; f != nil {
		c.p.exits.Lock()
		f(d)
		c.p.exits.Unlock()
	}
	switch {
	case st == tasktable.StageFailed:
		c.p.fail(c.refusal())
		return false
	case d.Reason == "closed":
		return false
	case d.Reason != "died": // awaitWork knows whether there shall be another
	case st == tasktable.StageReady:
		c.falls = 0
	// by another process, before it heeded that, as it does from Main on: its start was slow, and
	// not false
	case asked(d):
	default:
		return c.fell(d, st)
	}
	return true
}

// asked tells that the worker has ended because it was asked to. No program does that to itself by
// mistake.
func asked(d WorkerExit) bool { return d.ExitCode == child.Terminated.Code }

// noteEnd notes that the worker has ended, and says why.
func (c *supervisor) noteEnd(st tasktable.Stage) tasktable.Exit {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	e := c.noteExit(st)
	c.p.counts.exit(e)
	return e
}

// noteExit notes, under mu, what becomes of the worker's place.
func (c *supervisor) noteExit(st tasktable.Stage) tasktable.Exit {
	p := c.p
	pid := c.host.PID()
	c.host, c.before = nil, 0
	switch {
	case st == tasktable.StageWorn || st == tasktable.StageLarge:
		c.restarts++
		c.before = pid
		p.recycled++
		return tasktable.ExitRecycled
	case st == tasktable.StageRetired && !c.retire && c.renewed != nil:
		c.restarts++
		c.before = pid
		p.recycled++
		return tasktable.ExitRecycled
	case st == tasktable.StageRetired || c.retire:
		return tasktable.ExitRetired
	case p.over() || st == tasktable.StageFailed:
		return tasktable.ExitClosed
	case st == tasktable.StageIdle:
		c.endRenewal()
		c.asleep = true
		p.workers.asleep++
		return tasktable.ExitIdle
	}
	c.restarts++
	c.before = pid
	p.killed++
	return tasktable.ExitDied
}

// falseStart says why the last of so many workers, which had come so far, did not get to take
// tasks.
func falseStart(d WorkerExit, falls int, st tasktable.Stage) error {
	exit := child.Exit{Code: d.ExitCode, Signal: d.Signal}
	switch {
	case d.Signal != "":
		return fmt.Errorf("pool: %d workers in a row were killed before they took tasks, the last by signal %s: %s", falls, d.Signal, d.Stderr)
	case d.ExitCode == child.CodeUnknown:
		return fmt.Errorf("pool: %d workers in a row ended before they took tasks (%v): %s", falls, exit, d.Stderr)
	case d.ExitCode == child.ExitNoStart || d.ExitCode == child.ExitDamaged:
		return fmt.Errorf("pool: a worker cannot work (%v): %s", exit, d.Stderr)
	case st == tasktable.StageStarted:
		return child.BeforeMain("a worker", exit, d.Stderr)
	}
	return fmt.Errorf("pool: a worker ended before it took tasks (%v): %s", exit, d.Stderr)
}

// refusal is why the worker could not open its resources.
func (c *supervisor) refusal() error {
	b := c.p.takeReport(c.number, worker.MaxReport, true)
	if n := c.record.Length; n > tasktable.FailureBytes {
		return errors.New("pool: a worker could not open its resources")
	} else if b == nil {
		b = slices.Clone(c.record.Failure[:n])
	}
	f, err := task.Codec[task.Failure]{}.Receive(b)
	if err != nil {
		return fmt.Errorf("pool: a worker could not open its resources: %w", err)
	}
	return c.p.options.Errors.Refused(f)
}
