package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/task"
)

// A Task is a function that workers can run: it takes an A and returns an R. It
// is made by [Define].
type Task[A, R any] struct {
	core parent.Task
	args task.Codec[A]
	rets task.Codec[R]
}

// TaskOptions say how a pool goes about a task. See [Task.With].
type TaskOptions struct {
	// Each of SoftDeadline, HardDeadline, Attempts, Retry and Deaf that is zero is what
	// Options.Task of the pool says.

	// SoftDeadline ends the context of the task after that time, with [context.DeadlineExceeded].
	// What the task returns then is its result. 0 means never.
	SoftDeadline time.Duration

	// HardDeadline kills the worker of a task that has run for that time. The task fails with a
	// [*DeadlineError]; it is not tried again. The time is kept to about a twentieth, and to no
	// better than a millisecond. On a pool of [NewLocal], where nothing can be killed, the
	// goroutine is left alone and replaced. 0 means never.
	HardDeadline time.Duration

	// Attempts is how often the task is tried when its worker dies while it runs, as
	// Options.Attempts; 0 means what the pool says.
	Attempts int

	// Retry is asked in the parent whether a task that has failed with err, other than by the death
	// of its worker, is to run again, and after which time; attempt is 1 for the first. nil means
	// never.
	Retry func(attempt int, err error) (again bool, after time.Duration)

	// Deaf is how long a task may go on after its context has ended because its caller has gone:
	// because the context of the call has ended, or the loop over an IMap was left. Then its worker
	// is killed, and replaced. 0 means for ever.
	Deaf time.Duration

	// Chunk is how many arguments [Map], [IMap] and the like send to a worker in one go; 0 means so
	// many that sending costs little beside running for Map, and 1 for the others. It is 1 for
	// tasks with SoftDeadline, HardDeadline or Retry. When a worker dies, the other arguments of
	// its chunk run again one by one.
	Chunk int
}

// Name is the name that the task was defined with.
func (t *Task[A, R]) Name() string { return t.core.Name }

// With is the same task with other options. It panics when one of them is negative.
func (t *Task[A, R]) With(o TaskOptions) *Task[A, R] {
	if err := o.check(); err != nil {
		panic(fmt.Sprintf("pool: task %q: With: %v", t.core.Name, err))
	}
	with := *t
	with.core.Options = parent.TaskOptions(o)
	return &with
}

// check says what of the options cannot be.
func (o *TaskOptions) check() error {
	if o.SoftDeadline < 0 || o.HardDeadline < 0 || o.Deaf < 0 || o.Chunk < 0 {
		return fmt.Errorf("options SoftDeadline %v, HardDeadline %v, Deaf %v, Chunk %d: must not be negative", o.SoftDeadline, o.HardDeadline, o.Deaf, o.Chunk)
	}
	return nil
}

// chunkOf is how many arguments of a task with these options go into one slot, 0: to be found out.
func chunkOf(o parent.TaskOptions) int {
	if o.SoftDeadline > 0 || o.HardDeadline > 0 || o.Retry != nil {
		return 1
	}
	return o.Chunk
}

// Define makes f a task. Call it for a package-level variable, so that it is defined in the worker,
// too, before [Main] is called. The context ends when the caller's ends, when the pool is
// terminated, at the soft deadline, or when the parent is gone; it is the task's until f returns.
//
// An argument that is a slice of fixed-size elements may be a view of shared memory: it is f's
// until f returns, and f copies what it keeps.
//
// Handles in the argument, of shared objects, are f's until it returns, too, and closed then; with
// them the worker leaves segments that it has attached for their sake. [Keep] makes them the
// worker's.
//
// An error of f arrives as its text: errors.Is finds only those that [RegisterError] knows.
//
// It panics when the name is taken, or when a value of A or R would arrive changed, with the path
// of the field: see "Arguments and results" in the documentation of the package.
func Define[A, R any](name string, f func(ctx context.Context, arg A) (R, error)) *Task[A, R] {
	t := &Task[A, R]{core: parent.Task{ID: task.IDOf(name), Name: name}}
	var err error
	if t.args, err = task.CodecFor[A](); err != nil {
		panic(fmt.Sprintf("pool.Define: task %q: argument: %v", name, err))
	}
	if t.rets, err = task.CodecFor[R](); err != nil {
		panic(fmt.Sprintf("pool.Define: task %q: result: %v", name, err))
	}
	task.Register(task.New(t.core.ID, name, t.args, t.rets, f))
	return t
}
