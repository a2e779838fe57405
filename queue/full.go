package queue

import (
	"errors"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

// WhenFull says what Put, PutBatch and Reserve do when there is no room. TryPut always returns [ErrFull] then, and drops nothing.
type WhenFull int

const (
	// WaitForRoom waits.
	WaitForRoom WhenFull = iota
	// DropNewest drops the message that is being put, and counts it in [Stats.Dropped].
	DropNewest
	// DropOldest takes out the oldest message, drops it and counts it in [Stats.Dropped]. It waits where somebody
	// else is copying that one just now. An [SPSC] cannot do this: only its consumer takes messages out.
	DropOldest
)

// errDropped says that the newest message was dropped. Callers of the package never see it.
var errDropped = errors.New("queue: the message was dropped")

// unlessDropped is what a put that ended with err returns.
func unlessDropped(err error) error {
	if err == errDropped {
		return nil
	}
	return err
}

// fullIfDropped is what a reservation that ended with err returns.
func fullIfDropped(err error) error {
	if err == errDropped {
		return ErrFull
	}
	return err
}

// watch has the sleep of a waiter end with the death of who has to finish first, and that of a Put that waits to drop the oldest
// message from time to time: when whoever is at work on that one has put it, only consumers are told.
func (f WhenFull) watch(l *lock.Watch, held proctab.Owner) {
	l.Process(held)
	if f == DropOldest {
		l.Look(heldLook)
	}
}

const heldLook = 2 * time.Millisecond

// check refuses options that a kind of queue cannot have.
func (o Options) check(name string, kind segment.Kind) error {
	switch {
	case o.WhenFull < WaitForRoom || o.WhenFull > DropOldest:
		return segment.Invalid("queue: %q: there is no WhenFull %d", name, o.WhenFull)
	case kind == segment.KindBroadcast && o.WhenFull != WaitForRoom:
		return segment.Invalid("queue: %q: a Broadcast is never full: it has no WhenFull", name)
	case kind == segment.KindSPSC && o.WhenFull == DropOldest:
		return segment.Invalid("queue: %q: an SPSC cannot drop the oldest message: only its consumer takes messages out", name)
	case o.Joinable && (kind == segment.KindSPSC || kind == segment.KindBroadcast):
		return segment.Invalid("queue: %q: one of kind %v cannot be joinable: use a Queue", name, kind)
	}
	return nil
}
