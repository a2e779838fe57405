package queue

import "errors"

var (
	// ErrFull says that there is no room for a message now.
	ErrFull = errors.New("queue: the queue is full")

	// ErrEmpty says that there is no message to take now.
	ErrEmpty = errors.New("queue: the queue is empty")

	// ErrClosed says that somebody has closed the queue, for everyone. A segment
	// that this process has closed is [shm.ErrClosed] instead.
	ErrClosed = errors.New("queue: the queue is closed")
)
