package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

type keyOfTest struct{}

// The context of a task is used again if it was not asked for Done. One that ended, or was asked,
// is not.
func TestTaskContextReuse(t *testing.T) {
	for name, test := range map[string]struct {
		use  func(c *taskContext)
		want bool
	}{
		"untouched": {func(*taskContext) {}, true},
		"Err":       {func(c *taskContext) { c.Err() }, true},
		"Value":     {func(c *taskContext) { c.Value(keyOfTest{}) }, true},
		"Deadline":  {func(c *taskContext) { c.Deadline() }, true},
		"Done":      {func(c *taskContext) { c.Done() }, false},
		"child":     {func(c *taskContext) { _, cancel := context.WithCancel(c); cancel() }, false},
		"ended":     {func(c *taskContext) { c.end(context.Canceled) }, false},
	} {
		c := &taskContext{base: context.WithValue(t.Context(), keyOfTest{}, 7)}
		test.use(c)
		if got := c.over(); got != test.want {
			t.Errorf("%s: reusable: %v", name, got)
		}
		if !test.want {
			select {
			case <-c.Done():
			default:
				t.Errorf("%s: its context is still alive after the task", name)
			}
		}
	}
}

// It ends with a reason, for callers that asked before and after it, and ends its children, too.
func TestTaskContextEnds(t *testing.T) {
	reason := errors.New("enough")
	for _, asked := range []bool{false, true} {
		c := &taskContext{base: context.WithValue(t.Context(), keyOfTest{}, 7)}
		if c.Err() != nil || c.Value(keyOfTest{}) != 7 {
			t.Errorf("%v, %v", c.Err(), c.Value(keyOfTest{}))
		}
		var child context.Context = c
		if asked {
			c.Done()
			var cancel context.CancelFunc
			child, cancel = context.WithTimeout(c, time.Hour)
			defer cancel()
		}
		c.end(reason)
		c.end(context.Canceled) // the first counts
		select {
		case <-child.Done():
		case <-time.After(proctest.Hang):
			t.Fatal("it does not end")
		}
		if child.Err() != context.Canceled || context.Cause(child) != reason || child.Value(keyOfTest{}) != 7 {
			t.Errorf("asked before: %v: %v, %v", asked, child.Err(), context.Cause(child))
		}
	}
}

// It ends with the worker, with its cause.
func TestTaskContextOfEndingWorker(t *testing.T) {
	reason := errors.New("enough")
	for _, asked := range []bool{false, true} {
		base, cancel := context.WithCancelCause(t.Context())
		c := &taskContext{base: base}
		if asked {
			c.Done()
		}
		cancel(reason)
		if c.Err() != context.Canceled {
			t.Errorf("%v", c.Err())
		}
		<-c.Done()
		if context.Cause(c) != reason {
			t.Errorf("asked before: %v: %v", asked, context.Cause(c))
		}
	}
}
