package manager

import (
	"errors"
	"fmt"
	"os"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/queue/pipe"
	"github.com/shmkit/shmkit/shm"
)

var (
	// ErrGone says that the object of a reference is not there any more: its manager has ended, or
	// the connection that held the reference.
	ErrGone = errors.New("manager: the object is gone")

	// ErrClosed says that this process has closed the manager or the reference, or that the manager
	// takes no more calls. It is an [os.ErrClosed].
	ErrClosed error = closedError{}

	// ErrExclusive says that a call would wait for itself: the object is exclusive, and the method
	// that runs on it has made the call.
	ErrExclusive = errors.New("manager: a call of an exclusive object from its own method would wait for itself for ever")

	// ErrKey says that the two sides do not have the same key.
	ErrKey = pipe.ErrKey

	// ErrInsecure says that an address can be reached from other machines, and that a key or TLS is
	// missing.
	ErrInsecure = pipe.ErrInsecure

	// ErrTooLarge says that an argument or a result is larger than Options.Max.
	ErrTooLarge = pipe.ErrTooLarge
)

type closedError struct{}

func (closedError) Error() string { return "manager: closed" }

// Is makes it an [os.ErrClosed].
func (closedError) Is(target error) bool { return target == os.ErrClosed }

func init() {
	task.RegisterError("manager.ErrGone", ErrGone)
	task.RegisterError("manager.ErrClosed", ErrClosed)
	task.RegisterError("manager.ErrExclusive", ErrExclusive)
	task.RegisterError("manager.ErrKey", ErrKey)
	task.RegisterError("manager.ErrTooLarge", ErrTooLarge)
}

// Error lets errors.Is find an error of the program, such as a package's ErrNotFound, in what a
// call returns, when the error that the method returned wraps it. Call it from an init function of
// a package that the server and its clients import. It is pool.RegisterError: what one of them
// knows, both do.
//
// It panics when the name is empty or taken, and when err is nil.
func Error(name string, err error) { task.RegisterError(name, err) }

// A LostError says that the manager died, or that the connection to it broke, while a call was
// under way. The call may have run, or not.
type LostError struct {
	Manager string // address
	Call    string // what was under way
	Cause   error
}

// Error names the manager and the call.
func (e *LostError) Error() string {
	return fmt.Sprintf("manager %s: %s: the manager died, or its connection broke; the call may have run, or not: %v", e.Manager, e.Call, e.Cause)
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Cause }

// A NoMethodError says that the manager does not know a type or a method, or knows it with other
// types of arguments and results.
type NoMethodError struct {
	Manager string // address
	Name    string // of the type, or of the type and the method
	Reason  string
	Client  string // build of this program
	Server  string // build of the manager's program
}

// Error names the method and both builds.
func (e *NoMethodError) Error() string {
	return fmt.Sprintf("manager %s: %q %s (this program is %s, the manager's is %s)", e.Manager, e.Name, e.Reason, e.Client, e.Server)
}

// A RemoteError is an error that a method, or a function that opens an object, returned in the
// manager. Its text and its registered errors come from there, see [Error]; fields stay behind.
type RemoteError struct {
	Call  string // what returned it
	Type  string // Go type of the error
	Text  string // of the error
	Stack string // of its origin, as for pool.TaskError

	registered []error
}

// Error returns the text of the error that the method returned.
func (e *RemoteError) Error() string { return e.Text }

// Unwrap returns the registered errors that the error was in the manager.
func (e *RemoteError) Unwrap() []error { return e.registered }

// As lets [errors.As] find what the packages of this module know of the origin.
func (e *RemoteError) As(target any) bool {
	to, ok := target.(*task.Origin)
	if ok {
		*to = task.Origin(e.Stack)
	}
	return ok
}

// A PanicError says that a method panicked or ended its goroutine. The manager goes on.
type PanicError struct {
	Call  string // what panicked
	Value string // what it panicked with, as text
	Stack string // of its goroutine
}

// Error says what panicked, and with which value; it leaves out the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("manager: %s panicked: %s", e.Call, e.Value) }

// Format prints the error; with %+v its stack follows.
func (e *PanicError) Format(s fmt.State, verb rune) { guard.Format(s, verb, e.Error(), e.Stack) }

// failureOf is how the error of a method travels.
func failureOf(err error) failure {
	var panicked *guard.Panic
	if errors.As(err, &panicked) {
		return failure{Class: failedPanic, Text: panicked.Value, Stack: panicked.Stack}
	}
	f := task.FailureOf(err)
	return failure{Class: failedMethod, Type: fmt.Sprintf("%T", err), Text: f.Text, Stack: f.Stack, Registered: f.Registered}
}

// serverFailure is how an error of the server itself travels.
func serverFailure(class failureClass, err error) failure {
	f := task.FailureOf(err)
	return failure{Class: class, Text: f.Text, Registered: f.Registered}
}

// errorFrom is the error that the server has sent.
func (l *link) errorFrom(call string, payload []byte) error {
	var f failure
	if err := wire.Decode(payload, &f); err != nil {
		return fmt.Errorf("manager %s: %s: an error that cannot be decoded: %w", l.address, call, err)
	}
	switch f.Class {
	case failedMethod:
		return &RemoteError{Call: call, Type: f.Type, Text: f.Text, Stack: f.Stack, registered: task.RegisteredNamed(f.Registered)}
	case failedPanic:
		return &PanicError{Call: call, Value: f.Text, Stack: f.Stack}
	case failedNoMethod:
		return &NoMethodError{Manager: l.address, Name: call, Reason: f.Text, Client: build(), Server: l.server.Build}
	}
	as := map[failureClass]error{failedGone: ErrGone, failedExclusive: ErrExclusive, failedClosing: ErrClosed, failedMismatch: shm.ErrMismatch}[f.Class]
	known := task.RegisteredNamed(f.Registered)
	if as != nil {
		known = append(known, as)
	}
	return &serverError{fmt.Sprintf("manager %s: %s: %s", l.address, call, f.Text), known}
}

// A serverError says what kept the server from running a call or from sending its result.
type serverError struct {
	text  string
	known []error
}

func (e *serverError) Error() string   { return e.text }
func (e *serverError) Unwrap() []error { return e.known }
