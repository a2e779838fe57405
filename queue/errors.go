package queue

import "github.com/shmkit/shmkit/internal/ring"

var (
	// ErrFull says that there is no room for a message now.
	ErrFull = ring.ErrFull

	// ErrEmpty says that there is no message to take now.
	ErrEmpty = ring.ErrEmpty

	// ErrClosed says that a process has closed the queue, for all of them. A named queue stays
	// closed when they have ended: [Queue.Reopen] opens it again. A segment that this process has
	// closed is [shm.ErrClosed] instead. Both are [os.ErrClosed]. That of a Queue names it:
	// [errors.Is] finds ErrClosed in it, a comparison does not.
	ErrClosed = ring.ErrClosed

	// ErrRoleTaken says that a living process has a role that only one process can have: that of
	// the producer, or the consumer, of an [SPSC], or the writer of a [Broadcast].
	ErrRoleTaken = ring.ErrRoleTaken

	// ErrNotHeld says that a reservation, or a look at a message, has ended: by Commit, Abort or
	// Release; or that the reader of a broadcast was closed.
	ErrNotHeld = ring.ErrNotHeld

	// ErrReserved says that a place of an [SPSC] or a [Broadcast] is reserved: it has to be
	// committed, or aborted, before the next put.
	ErrReserved = ring.ErrReserved
)
