package queue

import (
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
