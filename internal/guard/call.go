package guard

import (
	"fmt"
	"runtime/debug"

	"github.com/shmkit/shmkit/internal/public"
)

// PanicText begins the text of a panic of what is no task.
const PanicText = "panicked: "

// MaxStack bounds the stacks that are kept of panics and errors, in bytes.
const MaxStack = 16 << 10

// A Panic is a panic of a function of the user, or that it ended its goroutine.
type Panic struct {
	Task  string // name of the task; empty when it was no task
	Value string // what it panicked with, as text
	Stack string // of its goroutine
}

func (p *Panic) Error() string {
	if p.Task == "" {
		return PanicText + p.Value
	}
	return fmt.Sprintf("pool: task %q panicked: %s", p.Task, p.Value)
}

// As finds the type of package pool for users.
func (p *Panic) As(target any) bool { return public.As(p, target) }

// Is is for an error that As has found.
func (p *Panic) Is(target error) bool { return public.Is(p, target) }

// Recovered returns the Panic for what recover has returned; nil is the end of the goroutine. It is
// called in the deferred function, where the stack is still that of the panic.
func Recovered(v any) *Panic {
	p := &Panic{Value: "runtime.Goexit was called", Stack: string(debug.Stack())}
	if v != nil {
		p.Value = fmt.Sprint(v)
	}
	p.Stack = p.Stack[:min(len(p.Stack), MaxStack)]
	return p
}

// Call calls f in a goroutine of its own. A panic there, or the end of that goroutine, is a
// [*Panic].
func Call(f func() error) error {
	done := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if !returned {
				done <- Recovered(recover())
			}
		}()
		err := f()
		returned = true
		done <- err
	}()
	return <-done
}
