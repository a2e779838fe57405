package queue

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/ring/cast"
)

// A Reservation is a place in a queue for a message that is written there, without a copy. It must
// be ended by Commit or Abort; what is behind it in the queue waits for that. When the process dies
// before, the message is abandoned, like that of a Put that was not done.
//
// One goroutine at a time may use it. It must not be copied.
type Reservation[T any] struct {
	// Value is the message, in shared memory. What is in it at first is left from an earlier
	// message. It must not be used after Commit or Abort.
	Value *T

	position uint64
	ring     reserver // nil: it has ended
	queue    *object  // kept alive
}

// A reserver is a ring that has given out the place at a position.
type reserver interface {
	Commit(position uint64) error
	Abort(position uint64) error
}

// Commit appends the message to the queue.
//
// Errors: [ErrNotHeld]; [shm.ErrClosed], the message is not in the queue then.
func (r *Reservation[T]) Commit() error {
	if r.ring == nil {
		return ErrNotHeld
	}
	err := r.ring.Commit(r.position)
	r.end()
	return err
}

// Abort gives the place back without a message. The place is skipped.
//
// Errors: [ErrNotHeld], [shm.ErrClosed].
func (r *Reservation[T]) Abort() error {
	if r.ring == nil {
		return ErrNotHeld
	}
	err := r.ring.Abort(r.position)
	r.end()
	return err
}

func (r *Reservation[T]) end() {
	runtime.KeepAlive(r.queue)
	r.Value, r.ring, r.queue = nil, nil, nil
}

// A Peeked is a message that is looked at where it lies, without a copy. It must be ended by
// Release, which takes it out of the queue. When the process dies before, the message of an [SPSC]
// is there for the next consumer; that of a [Queue] is abandoned. Of a [Broadcast] it ends the look
// of this reader alone.
//
// One goroutine at a time may use it. It must not be copied.
type Peeked[T any] struct {
	// Value is the message, in shared memory. It must not be used after Release.
	Value *T

	position uint64
	ring     peeker  // nil: it has ended
	queue    *object // kept alive
}

// A peeker is a ring that lets a caller look at the message at a position.
type peeker interface {
	EndPeek(position uint64) error
}

// isValid reports whether the message at a position, which is looked at, was not overwritten.
func isValid(p peeker, position uint64) bool {
	c, ok := p.(*cast.Reader)
	return !ok || c.Valid(position)
}

// expelled is the error of a look by p that ended with err.
func expelled(p peeker, err error) error {
	if c, ok := p.(*cast.Reader); ok && err == ErrExpelled {
		return &ExpelledError{Unread: c.Unread()}
	}
	return err
}

// Valid reports whether Value still is the message: the look has not ended, and the reader of a
// [Broadcast] was not expelled. It is for what cannot be undone; what was read before a Valid that
// reports true is right.
func (p *Peeked[T]) Valid() bool {
	valid := p.ring != nil && isValid(p.ring, p.position)
	runtime.KeepAlive(p.queue)
	return valid
}

// Release takes the message out of the queue.
//
// Errors: [ErrNotHeld]; [shm.ErrClosed], another process may have the message then;
// [ErrExpelled], what was read may be another message of the [Broadcast].
func (p *Peeked[T]) Release() error {
	if p.ring == nil {
		return ErrNotHeld
	}
	err := expelled(p.ring, p.ring.EndPeek(p.position))
	runtime.KeepAlive(p.queue)
	p.Value, p.ring, p.queue = nil, nil, nil
	return err
}
