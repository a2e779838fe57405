package queue

import (
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring/cast"
)

// A process that only reads cannot subscribe to a Broadcast that waits for its readers: it looks
// on. What an overwrittenReader does differently then is here.

// onlook copies the next message of a Broadcast that waits to v, if it is there. Otherwise v may be
// torn.
func (r *overwrittenReader[T]) onlook(v *T) bool {
	b := r.b.seen
	if b.Tail() == r.next || !cast.Look(b, r.next, v) {
		return false
	}
	elem.MendAt(r.b.bools, v)
	r.next++
	return true
}

// oldest is the position of the oldest message that can be read while next is that of the next one.
func (r *overwrittenReader[T]) oldest(next uint64) uint64 {
	if r.b.r != nil {
		return r.b.seen.Kept(next)
	}
	return r.b.oldSeen.Oldest(next)
}

// kept is the position of the message to read after the next one, of which a look has seen a
// number, was not there.
//
// Errors: [ErrEmpty], [ErrClosed], [shm.ErrCorrupt].
func (r *overwrittenReader[T]) kept(seen uint64) (uint64, error) {
	if r.b.r == nil {
		return r.b.oldSeen.Miss(r.next, seen)
	}
	b := r.b.seen
	closed := b.Closed() // before the look at the tail
	switch tail := b.Tail(); {
	case tail == r.next && closed:
		return 0, b.Concluded(b.ErrClosed())
	case tail == r.next:
		return 0, b.Concluded(ErrEmpty)
	case int64(b.Kept(tail)-r.next) > 0:
		return b.Kept(tail), nil
	case int64(tail-r.next) > 0:
		return 0, ErrEmpty // it came between two looks: the next one reads it
	}
	return 0, b.Corrupt()
}

// owner is the process that writes.
func (r *overwrittenReader[T]) owner() proctab.Owner {
	if r.b.r != nil {
		return r.b.seen.Owner()
	}
	return r.b.oldSeen.Owner()
}
