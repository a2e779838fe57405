// Package guard calls functions of a user so that a panic in them does not end the process.
package guard

import "fmt"

// Text returns what f returns, or, when f panics, a text that says so.
func Text(f func() string) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	return f()
}
