package queue

import (
	"fmt"
	"runtime"
)

// Cap is the length of the longest message, in bytes.
func (b *Bytes) Cap() int { return int(b.r.longest) }

// Len is how many messages are in the queue, those included that are being written.
// While others are at work it is out of date when it is returned.
func (b *Bytes) Len() int {
	s := b.Stats()
	return int(s.Put - s.Got)
}

// Room is how many bytes are free. A message takes its length and at most 24 bytes more, in one piece: a
// message that is nearly as long may find no room. While others are at work it is out of date when it is returned.
func (b *Bytes) Room() int {
	h := b.r.head
	used := h.tail.Load() - h.free.Load()
	room := b.r.size() - min(used, b.r.size())
	runtime.KeepAlive(b)
	return int(room)
}

// Stats returns the counts. Aborted messages count as put and as got. Each process that was killed within the
// nanoseconds in which it claims a place, or a message, may leave a count that lacks one.
func (b *Bytes) Stats() Stats {
	h := b.r.head
	got := h.gets.Load()
	put := max(h.puts.Load(), got)
	t := &h.tally
	s := Stats{
		Put: put, Got: got, Abandoned: h.abandoned.Load(), Bytes: h.bytes.Load(),
		Dropped: t.Dropped.Load(), Waits: t.Waits.Load(), HighWater: t.HighWater.Load(),
	}
	runtime.KeepAlive(b)
	return s
}

// Close closes the queue for everyone, for good. Nothing can be put any more; what is
// in it can still be taken, and after that every Get returns [ErrClosed]. Any process may close it, and again. What was
// reserved before can still be committed.
//
// Errors: [shm.ErrClosed], [shm.ErrCorrupt].
func (b *Bytes) Close() error {
	err := b.r.close()
	runtime.KeepAlive(b)
	return err
}

// Closed reports whether somebody has closed the queue. There may still be messages in it.
func (b *Bytes) Closed() bool {
	closed := b.r.head.closed.Load() != 0
	runtime.KeepAlive(b)
	return closed
}

func differentCapacity(have, want uint64) string {
	return fmt.Sprintf("its capacity is %d bytes, not %d", have, want)
}

// content is the message of a claim, in shared memory.
func (r *bytesRing) content(c claim) []byte {
	start := c.p&r.mask + recordBytes
	return r.mem[start : start+c.n : start+c.n]
}
