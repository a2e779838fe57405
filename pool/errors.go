package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/linemux"
	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/public"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

var (
	// ErrClosed says that the pool takes no more tasks: it was closed or terminated. It is an
	// [os.ErrClosed].
	ErrClosed = task.ErrClosed

	// ErrNoMain says that the program does not call [Main], or that a worker came to [New], or to
	// its end, without it.
	ErrNoMain = child.ErrNoMain

	// ErrTooDeep says that this process is at [MaxDepth] and cannot start others.
	ErrTooDeep = child.ErrTooDeep
)

// MaxDepth is how deep processes can be nested: one with so many living ancestors that this package
// has started, or that have started others by it, cannot start more. Ancestors that have ended do
// not count, so that a service may start its successor and end, as often as it likes.
const MaxDepth = child.MaxDepth

// A WorkerDiedError says that a task's worker died again and again while it ran the task.
type WorkerDiedError struct {
	Task     string // name of the task
	Attempts int    // how often it was tried
	Worker   string // name of the last worker, such as Worker-2
	PID      int    // of the last worker
	// of the last worker; negative: the number of the signal that killed it; ExitUnknown
	ExitCode int
	Signal   string // name of that signal, empty when it was none
	// the last lines that the last worker wrote to its standard error, at most 4 KiB; of a long
	// crash also the first, and those before it
	Stderr string
}

// Error names the task, and says how often and how its workers died.
func (e *WorkerDiedError) Error() string {
	how := fmt.Sprintf("exit code %d", e.ExitCode)
	switch {
	case e.Signal != "":
		how = "signal: " + e.Signal
	case e.ExitCode == ExitUnknown:
		how = "exit code unknown"
	}
	who := fmt.Sprintf("pid %d", e.PID)
	if e.Worker != "" {
		who = e.Worker + ", " + who
	}
	text := fmt.Sprintf("pool: task %q: its worker died (%s, %s)", e.Task, times(e.Attempts, who), how)
	if last := linemux.Headline(e.Stderr); last != "" {
		text += ": " + last
	}
	return text
}

// times says how often something has happened, and to which it did last.
func times(n int, last string) string {
	switch n {
	case 1:
		return "once, it was " + last
	case 2:
		return "twice, the last was " + last
	}
	return fmt.Sprintf("%d times, the last was %s", n, last)
}

// A PanicError says that a task, or a function that opens or closes a [Resource], panicked or ended
// its goroutine.
type PanicError struct {
	Task  string // name of the task; empty when it was no task
	Value string // what it panicked with, as text
	Stack string // of the worker's goroutine
}

// Error says what panicked, and with which value; it leaves out the stack.
func (e *PanicError) Error() string { return (*guard.Panic)(e).Error() }

// As lets [errors.As] find what the packages of this module know of the panic.
func (e *PanicError) As(target any) bool {
	switch to := target.(type) {
	case **guard.Panic:
		*to = (*guard.Panic)(e)
	case *task.Origin:
		*to = task.Origin(e.Stack)
	default:
		return false
	}
	return true
}

func init() { public.Present(func(p *guard.Panic) *PanicError { return (*PanicError)(p) }) }

// Format prints the error; with %+v its stack follows, which says in which file and line it was.
func (e *PanicError) Format(s fmt.State, verb rune) { guard.Format(s, verb, e.Error(), e.Stack) }

// A DeadlineError says that a task ran past its hard deadline, and that its worker was killed for
// it. It is a [context.DeadlineExceeded].
type DeadlineError struct {
	Task  string        // name of the task
	Limit time.Duration // how long it may run
	// of the task's goroutine before its worker was killed, at most 16 KiB; empty when the worker
	// did not tell
	Stack string
}

// Error names the task and the limit.
func (e *DeadlineError) Error() string {
	return fmt.Sprintf("pool: task %q ran for longer than %v: its worker was killed", e.Task, e.Limit)
}

// Is reports whether target is [context.DeadlineExceeded].
func (e *DeadlineError) Is(target error) bool { return target == context.DeadlineExceeded }

// A TaskError is an error that a task returned in its worker. What comes from there of that error
// is this:
//
//   - its text;
//   - which of the errors that are known to [RegisterError] it is, in the sense of errors.Is,
//     wherever they are in its tree: errors.Is finds the same ones here, and errors.As those of
//     their types;
//   - a stack.
//
// Its type, its fields and the errors that it wraps stay behind. A result that the task returned
// beside it is dropped.
type TaskError struct {
	Task string // name of the task
	Text string // of the error

	// Stack is what the error, or one that it wraps, says of its origin: what %+v makes of it, when
	// that is longer than its text, or the stack that came from yet another worker. For an error
	// that says nothing it is the stack of the goroutine that got it from the task. At most 16 KiB.
	Stack string

	registered []error
}

// Error returns the text of the error that the task returned.
func (e *TaskError) Error() string { return e.Text }

// As lets [errors.As] find what the packages of this module know of the origin.
func (e *TaskError) As(target any) bool {
	to, ok := target.(*task.Origin)
	if ok {
		*to = task.Origin(e.Stack)
	}
	return ok
}

// Unwrap returns the registered errors that the error was in its worker.
func (e *TaskError) Unwrap() []error { return e.registered }

// workerDied is the error of a task that its workers have died of.
func workerDied(task string, attempts int, last parent.WorkerExit) error {
	return &WorkerDiedError{
		Task: task, Attempts: attempts, Worker: last.Name, PID: last.PID, ExitCode: last.ExitCode, Signal: last.Signal, Stderr: last.Stderr,
	}
}

// pastDeadline is the error of a task that ran past its hard deadline.
func pastDeadline(task string, limit time.Duration, stack string) error {
	return &DeadlineError{Task: task, Limit: limit, Stack: stack}
}

// endOf is how a task has ended that has that error instead of a result.
func endOf(err error) tasktable.End {
	var died *WorkerDiedError
	var late *DeadlineError
	switch {
	case errors.As(err, &died):
		return tasktable.EndDied
	case errors.As(err, &late):
		return tasktable.EndLate
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled):
		return tasktable.EndCanceled
	}
	return tasktable.EndFailed
}

// refusal is why a worker could not open its resources.
func refusal(f task.Failure) error {
	refused := &workerError{f.Text, task.RegisteredNamed(f.Registered)}
	if f.Panic {
		value := f.Text
		if _, text, ok := strings.Cut(f.Text, guard.PanicText); ok {
			value = text
		}
		refused.registered = append(refused.registered, &PanicError{Value: value, Stack: f.Stack})
	}
	return refused
}

// errorFrom is the error that a worker sent.
func errorFrom(name string, kind uint32, f task.Failure) error {
	known := task.RegisteredNamed(f.Registered)
	switch kind {
	case task.KindError:
		return &TaskError{Task: name, Text: f.Text, Stack: f.Stack, registered: known}
	case task.KindPanic:
		return &PanicError{Task: name, Value: f.Text, Stack: f.Stack}
	}
	return &workerError{fmt.Sprintf("pool: task %q: %s", name, f.Text), known}
}

// A workerError says what kept a worker from running a task or from passing on its result.
type workerError struct {
	text       string
	registered []error
}

func (e *workerError) Error() string   { return e.text }
func (e *workerError) Unwrap() []error { return e.registered }

// RegisterError lets errors.Is find an error of the program, such as a package's ErrNotFound, in a
// [*TaskError], when the error that the task returned in its worker wraps it. Call it from an init
// function, so that it is called in the worker, too; what only one of them knows is left out.
//
// Those of context, io, io/fs, os and of this module's packages are registered already, and
// errors.ErrUnsupported.
//
// It panics when the name is empty or taken, and when err is nil.
func RegisterError(name string, err error) { task.RegisterError(name, err) }
