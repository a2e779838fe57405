package pool

import (
	"fmt"
	"runtime/debug"
)

// runUser calls a function of the user in a goroutine of its own. A panic there, or the end of that goroutine, is a
// [*PanicError] with the name of the task, empty when it is none.
func runUser(task string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if returned {
				return
			}
			p := &PanicError{Task: task, Value: "runtime.Goexit was called", Stack: string(debug.Stack())}
			if v := recover(); v != nil {
				p.Value = fmt.Sprint(v)
			}
			done <- p
		}()
		err := f()
		returned = true
		done <- err
	}()
	return <-done
}
