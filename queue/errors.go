package queue

import "errors"

var (
	// ErrFull says that there is no room for a message now.
	ErrFull = errors.New("queue: the queue is full")

	// ErrEmpty says that there is no message to take now.
	ErrEmpty = errors.New("queue: the queue is empty")

	// ErrClosed says that a process has closed the queue, for all of them. A named queue stays closed
	// when they have ended: [Queue.Reopen] opens it again. A segment that this process has closed is
	// [shm.ErrClosed] instead. Both are [os.ErrClosed]. That of a Queue names it: [errors.Is] finds
	// ErrClosed in it, a comparison does not.
	ErrClosed error = &closedError{}
)
