package task

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/guard"
)

// Failure is how an error travels from a worker.
type Failure struct {
	Text, Stack string
	Registered  []string
	Panic       bool `cbor:",omitempty"` // of a resource: it is a panic
}

// An Origin is the stack of the place where an error began. An error that knows it has a method As
// that fills it in.
type Origin string

// FailureOf returns the parts of an error that travel. The stack of the calling goroutine goes with
// the error. A panic in a method of the error loses only what that method would have told.
func FailureOf(err error) Failure {
	f := Failure{Text: guard.Text(err.Error)}
	func() {
		defer func() { recover() }()
		f.Registered = registeredIn(err)
	}()
	f.Stack = guard.Text(func() string { return originOf(err) })
	if f.Stack == "" {
		stack := make([]byte, guard.MaxStack)
		f.Stack = string(stack[:runtime.Stack(stack, false)])
	}
	f.Stack = f.Stack[:min(len(f.Stack), guard.MaxStack)]
	return f
}

// originOf is the first in the tree of an error that an error says of its origin, or empty.
func originOf(err error) string {
	switch e := err.(type) {
	case *guard.Panic:
		return e.Stack
	case interface{ As(any) bool }:
		var at Origin
		if e.As(&at) && at != "" {
			return string(at)
		}
	}
	if e, ok := err.(fmt.Formatter); ok {
		if s := fmt.Sprintf("%+v", e); len(s) > len(err.Error()) {
			return s
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			return originOf(next)
		}
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			if s := originOf(next); s != "" {
				return s
			}
		}
	}
	return ""
}

// PanicStacks are the stacks of the panics in the tree of an error.
func PanicStacks(err error) (stacks []string) {
	if p, ok := err.(*guard.Panic); ok {
		return []string{p.Stack}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return PanicStacks(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			stacks = append(stacks, PanicStacks(next)...)
		}
	}
	return stacks
}

// leftBehind are the types of errors that tellLeftBehind has told of.
var leftBehind sync.Map

// tellLeftBehind shows, once for each type, that the type of an error does not reach the parent:
// none of the registered errors is it.
func tellLeftBehind(err error, registered []string) {
	if len(registered) > 0 || !event.Enabled(slog.LevelDebug) {
		return
	}
	name := fmt.Sprintf("%T", err)
	if _, told := leftBehind.LoadOrStore(name, true); !told {
		event.Show(slog.LevelDebug, "error is not registered: only its text reaches the parent, see RegisterError",
			slog.String("type", name), slog.String("error", guard.Text(err.Error)))
	}
}
