package parent

import (
	"math/bits"
	"time"

	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// counts is what the pool has done so far, by task. Guarded by Pool.mu. It is in memory of this
// process, with a copy in shared memory for readers that are no party of the pool.
type counts struct {
	exits  [tasktable.Exits]uint64
	byName map[string]*tally
	order  []*tally // as the tasks came first
	last   *tally
	shown  *tasktable.Counts
}

// A tally counts the arguments of one task.
type tally struct {
	name               string
	submitted, retried uint64
	ends               [tasktable.Ends]uint64
	run, total         Histogram        // of the sample of which latency is
	shown              *tasktable.Tally // nil: there are too many tasks
}

func (c *counts) begin(t *tasktable.Table, label string) {
	c.byName, c.shown = map[string]*tally{}, t.Counts
	c.shown.SetLabel(label)
}

// of returns the tally of the task of that name.
func (c *counts) of(name string) *tally {
	if t := c.last; t != nil && t.name == name {
		return t
	}
	t := c.byName[name]
	if t == nil {
		t = &tally{name: name, shown: c.shown.Add(task.IDOf(name), name)}
		c.byName[name] = t
		c.order = append(c.order, t)
	}
	c.last = t
	return t
}

// submit counts the arguments of a call that is being submitted.
func (c *counts) submit(call *Call) {
	t := c.of(call.task)
	call.tally = t
	if call.again {
		return
	}
	t.submitted += uint64(call.Count)
	if t.shown != nil {
		t.shown.Submitted = t.submitted
	}
}

func (c *counts) exit(e tasktable.Exit) {
	c.exits[e]++
	c.shown.Exits[e] = c.exits[e]
}

func (t *tally) end(e tasktable.End, n int) {
	if n == 0 {
		return
	}
	t.ends[e] += uint64(n)
	if t.shown != nil {
		t.shown.Ends[e] = t.ends[e]
	}
}

// retry counts attempts after the first.
func (p *Pool) retry(c *Call, n int) {
	p.retried += n
	t := c.tally
	if t.retried += uint64(n); t.shown != nil {
		t.shown.Retried = t.retried
	}
}

// countEnd counts how the arguments of a call have ended, under mu. Those of a chunk that run again
// one by one have not.
func (p *Pool) countEnd(c *Call) {
	t, got := c.tally, &c.Got
	switch {
	case c.Split && c.Err != nil:
		t.end(p.endOf(c.Err), 1)
	case c.Split:
	case c.Err != nil:
		t.end(p.endOf(c.Err), c.Count)
	case got.failures > 0:
		t.end(tasktable.EndOK, c.Count-got.failures)
		t.end(tasktable.EndPanic, got.panics)
		t.end(tasktable.EndFailed, got.unsent)
		t.end(tasktable.EndError, got.failures-got.panics-got.unsent)
	default:
		t.end(endOfKind(got.Kind), c.Count)
	}
}

// endOf is how a task has ended that has that error instead of a result.
func (p *Pool) endOf(err error) tasktable.End {
	if p.alive.Err() != nil {
		return tasktable.EndCanceled
	}
	return p.options.Errors.End(err)
}

func endOfKind(kind uint32) tasktable.End {
	switch kind {
	case task.KindValue, task.KindNil, task.KindChunk, task.KindVector:
		return tasktable.EndOK
	case task.KindError:
		return tasktable.EndError
	case task.KindPanic:
		return tasktable.EndPanic
	}
	return tasktable.EndFailed
}

// TaskStats is what the pool has done with one task, as pool.TaskStats has it.
type TaskStats struct {
	Name               string
	Submitted, Retried uint64
	Ends               [tasktable.Ends]uint64
	Run, Total         Histogram
}

func (c *counts) tasks() (all []TaskStats) {
	for _, t := range c.order {
		all = append(all, TaskStats{t.name, t.submitted, t.retried, t.ends, t.run, t.total})
	}
	return all
}

// Buckets is how many buckets a [Histogram] has: up to 1 µs, 4 µs, 16 µs, … 72 minutes.
const Buckets = 17

// Histogram counts durations by their size, as pool.Histogram does, with the same fields.
type Histogram struct {
	Samples uint64
	Sum     time.Duration
	Buckets [Buckets]uint64
}

// add counts a duration. The limit of bucket i is 4ⁱ µs.
func (h *Histogram) add(d time.Duration) {
	h.Samples++
	h.Sum += d
	if i := (bits.Len64(uint64(max(d-1, 0)/time.Microsecond)) + 1) / 2; i < Buckets {
		h.Buckets[i]++
	}
}
