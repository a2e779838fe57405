package ring

import (
	"errors"
	"fmt"
	"os"
)

// The errors that package queue exports under the same names; see there.
var (
	ErrFull      = errors.New("queue: the queue is full")
	ErrEmpty     = errors.New("queue: the queue is empty")
	ErrRoleTaken = errors.New("queue: the role is taken")
	ErrNotHeld   = errors.New("queue: the reservation, or the look at a message, has ended already")
	ErrReserved  = errors.New("queue: a place is reserved: commit it or abort it first")

	ErrClosed error = &ClosedError{}
)

// These errors stay between a ring and the packages above it, which turn them into others.
var (
	// ErrHeld says that a living process is at work on the message, or the place, that comes next.
	ErrHeld = errors.New("queue: the next place is held")
	// ErrDropped says that a put has dropped its message because the queue is full.
	ErrDropped = errors.New("queue: the message was dropped")
)

// A ClosedError is an [ErrClosed], and an [os.ErrClosed]. The zero value names no queue.
type ClosedError struct{ Name, Path string }

func (e *ClosedError) Error() string {
	if e.Name == "" {
		return "queue: the queue was closed, for all processes: Reopen it (a Queue), or remove it and make it anew"
	}
	return fmt.Sprintf("queue: %q in %s was closed, for all processes: Queue.Reopen opens it again, when its messages "+
		"have been taken", e.Name, e.Path)
}

// Is makes [errors.Is] find [ErrClosed], whatever queue it names.
func (e *ClosedError) Is(target error) bool { return target == ErrClosed || target == os.ErrClosed }

// UnlessDropped is what a put that ended with err returns to its caller.
func UnlessDropped(err error) error {
	if err == ErrDropped {
		return nil
	}
	return err
}

// FullIfDropped is what a reservation that ended with err returns to its caller.
func FullIfDropped(err error) error {
	if err == ErrDropped {
		return ErrFull
	}
	return err
}
