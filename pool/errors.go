package pool

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrClosed says that the pool takes no more tasks: it was closed or terminated.
	ErrClosed = errors.New("pool: closed")

	// ErrNoMain says that a worker did not get to [Main].
	ErrNoMain = errors.New("pool: the program did not call pool.Main at the start of main, before anything else")
)

// A WorkerDiedError says that a task's worker died again and again while it ran the task.
type WorkerDiedError struct {
	Task     string // name of the task
	Attempts int    // how often it was tried
	PID      int    // of the last worker
	ExitCode int    // of the last worker; negative: the number of the signal that killed it
	Signal   string // name of that signal, empty when it was none
	Stderr   string // the last lines that the last worker wrote to its standard error
}

func (e *WorkerDiedError) Error() string {
	how := fmt.Sprintf("exit code %d", e.ExitCode)
	if e.Signal != "" {
		how = "signal: " + e.Signal
	}
	text := fmt.Sprintf("pool: task %q: its worker died (%d times, the last was pid %d, %s)", e.Task, e.Attempts, e.PID, how)
	if last := strings.TrimSpace(e.Stderr); last != "" {
		text += ": " + last[strings.LastIndexByte(last, '\n')+1:]
	}
	return text
}

// A PanicError says that a task panicked, or ended its goroutine.
type PanicError struct {
	Task  string // name of the task
	Value string // what it panicked with, as text
	Stack string // of the worker's goroutine
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("pool: task %q panicked: %s", e.Task, e.Value)
}

// A TaskError is an error that a task returned in its worker.
type TaskError struct {
	Task string // name of the task
	Text string // of the error
}

func (e *TaskError) Error() string { return e.Text }

// failure is how an error travels from a worker.
type failure struct {
	Text, Stack string
}

// errorFrom is the error that a worker sent.
func errorFrom(task string, kind uint32, f failure) error {
	switch kind {
	case kindError:
		return &TaskError{Task: task, Text: f.Text}
	case kindPanic:
		return &PanicError{Task: task, Value: f.Text, Stack: f.Stack}
	}
	return fmt.Errorf("pool: task %q: %s", task, f.Text)
}
