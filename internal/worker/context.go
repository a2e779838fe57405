package worker

import (
	"context"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// A taskContext is the context of the tasks of one worker, one after the other. Most tasks never
// look whether it ends: as long as none has, it costs nothing to use it again. The first task that
// asks for Done gets a context of its own.
type taskContext struct {
	base context.Context // ends when the worker shall; knows the resources

	mu      sync.Mutex
	carry   [tasktable.CarryBytes]byte // of the task that runs, if carries
	carries bool
	ended   error           // why the task shall end
	real    context.Context // nil: no task has asked for Done
	cancel  context.CancelCauseFunc
}

// Deadline is none: soft deadlines are in a context around this one.
func (c *taskContext) Deadline() (time.Time, bool) { return c.base.Deadline() }

func (c *taskContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.real, c.cancel = context.WithCancelCause(c.base)
		if c.ended != nil {
			c.cancel(c.ended)
		}
	}
	return c.real.Done()
}

func (c *taskContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.real != nil:
		return c.real.Err()
	case c.ended != nil:
		return context.Canceled
	}
	return c.base.Err()
}

func (c *taskContext) Value(key any) any {
	if key == (carryKey{}) {
		return c.carried()
	}
	c.mu.Lock()
	from := c.base
	if c.real != nil {
		from = c.real
	}
	c.mu.Unlock()
	return from.Value(key)
}

type carryKey struct{}

// setCarry notes what the next task carries, nil: nothing.
func (c *taskContext) setCarry(carry *[tasktable.CarryBytes]byte) {
	if carry == nil && !c.carries { // only the worker's loop writes it
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.carries = carry != nil; c.carries {
		c.carry = *carry
	}
}

// carried is what the task carries, or nil.
func (c *taskContext) carried() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.carries {
		return nil
	}
	return c.carry
}

// Carried is what the task that runs carries beside its argument; ctx is the task's, or comes from
// it. ok is false when it carries nothing.
func Carried(ctx context.Context) (carry [tasktable.CarryBytes]byte, ok bool) {
	carry, ok = ctx.Value(carryKey{}).([tasktable.CarryBytes]byte)
	return carry, ok
}

// end ends the context.
func (c *taskContext) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = why
	}
	if c.cancel != nil {
		c.cancel(why)
	}
}

// over says that the task has returned, and whether the next one can use this context.
func (c *taskContext) over() (reusable bool) {
	c.mu.Lock()
	reusable = c.real == nil && c.ended == nil
	c.mu.Unlock()
	if !reusable {
		c.end(context.Canceled)
	}
	return reusable
}
