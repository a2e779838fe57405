package queue

import (
	"fmt"
	"os"
)

// A closedError is an [ErrClosed], and an [os.ErrClosed]. The zero value names no queue.
type closedError struct{ name, path string }

func (e *closedError) Error() string {
	if e.name == "" {
		return "queue: the queue was closed, for all processes: Reopen it (a Queue), or remove it and make it anew"
	}
	return fmt.Sprintf("queue: %q in %s was closed, for all processes: Queue.Reopen opens it again, when its messages "+
		"have been taken", e.name, e.path)
}

// Is makes [errors.Is] find [ErrClosed], whatever queue it names.
func (e *closedError) Is(target error) bool { return target == ErrClosed || target == os.ErrClosed }
