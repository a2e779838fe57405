package cast

import "github.com/shmkit/shmkit/internal/cpu"

// An onlooker reads messages of fixed size without being a reader: no writer waits for it, and
// messages may be overwritten before it has read them. It is a process that only reads the segment.
//
// A writer begins at most half the ring at once, see Batch. So the newer half of the ring is whole,
// also when a writer has died and another has forgotten what that one had begun.

// Tail is the position of the next message.
func (r *Ring) Tail() uint64 { return r.head.tail.Load() }

// Kept is the position of the oldest message that an onlooker can read while tail is the position
// of the next.
func (r *Ring) Kept(tail uint64) uint64 {
	return tail - min(tail-r.head.first, r.Capacity()/2)
}

// Look copies the message of fixed size at a position to v, and reports whether it is whole.
func Look[T any](r *Ring, p uint64, v *T) bool {
	*v = *Value[T](r, p)
	return r.keeps(p)
}

// keeps reports whether a message that was published is in the newer half of the ring.
func (r *Ring) keeps(p uint64) bool {
	cpu.LoadFence() // SYNC: latest: the copy was made before this look
	return r.head.tail.Load()-p <= r.Capacity()/2
}
