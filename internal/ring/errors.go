package ring

import (
	"errors"
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
