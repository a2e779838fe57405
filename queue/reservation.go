package queue

import (
	"runtime"
)

// A Reservation is a place in a queue for a message that is written there, without a copy. It must be
// ended by Commit or Abort; what is behind it in the queue waits for that. When the process dies before,
// the message is abandoned, like one whose Put was not done.
//
// One goroutine at a time may use it. It must not be copied.
type Reservation[T any] struct {
	// Value is the message, in shared memory. What is in it at first is left from an earlier
	// message. It must not be used after Commit or Abort.
	Value *T

	at    place
	owner reserver
	keep  any // the queue
}

// A place is where a queue has put a message.
type place struct {
	position uint64
	slot     *slot // of a Queue
}

// A reserver is a queue that has given out places.
type reserver interface {
	commit(place) error
	abandonPlace(place) error
}

// Commit appends the message to the queue.
//
// Errors: [ErrNotHeld]; [shm.ErrClosed], the message is not in the queue then.
func (r *Reservation[T]) Commit() error { return r.end(reserver.commit) }

// Abort gives the place back without a message. The place is skipped.
//
// Errors: [ErrNotHeld], [shm.ErrClosed].
func (r *Reservation[T]) Abort() error { return r.end(reserver.abandonPlace) }

func (r *Reservation[T]) end(how func(reserver, place) error) error {
	if r.owner == nil {
		return ErrNotHeld
	}
	err := how(r.owner, r.at)
	runtime.KeepAlive(r.keep)
	r.Value, r.owner, r.keep = nil, nil, nil
	return err
}

// A Peeked is a message that is looked at where it lies, without a copy. It must be ended by Release, which
// takes it out of the queue. When the process dies before, the message of an [SPSC] is there for the next consumer;
// that of a [Queue] is abandoned.
//
// One goroutine at a time may use it. It must not be copied.
type Peeked[T any] struct {
	// Value is the message, in shared memory. It must not be used after Release.
	Value *T

	at    place
	owner releaser
	keep  any // the queue
}

// A releaser is a queue that has let somebody look at a message.
type releaser interface {
	releasePlace(place) error
}

// Release takes the message out of the queue.
//
// Errors: [ErrNotHeld]; [shm.ErrClosed], another process may have the message then.
func (p *Peeked[T]) Release() error {
	if p.owner == nil {
		return ErrNotHeld
	}
	err := p.owner.releasePlace(p.at)
	runtime.KeepAlive(p.keep)
	p.Value, p.owner, p.keep = nil, nil, nil
	return err
}
