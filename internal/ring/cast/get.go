package cast

import (
	"context"
	"errors"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// The errors that package queue exports under the same names; see there.
var (
	ErrExpelled       = errors.New("queue: the reader was expelled: a put has waited for it too long")
	ErrTooManyReaders = errors.New("queue: there are too many readers: close one, or make the broadcast with more")
	ErrWriterDied     = errors.New("queue: the writer has died, and all its messages have been read")
)

// Messages finds out up to which position there are messages. It ends a look at a message that was
// not released.
//
// Errors: [ring.ErrEmpty], [ring.ErrClosed], ErrExpelled, ErrWriterDied, [ring.ErrNotHeld],
// [lock.ErrClosed], [segment.ErrCorrupt].
func (c *Reader) Messages() error {
	if c.open {
		if c.open = false; c.live() {
			c.Finish(c.end)
		}
	}
	r := c.r
	// SYNC: tail: what lies before it has been written.
	until := r.head.tail.Load()
	switch n := until - c.Next; {
	case !c.live():
		return c.Lost()
	case n > r.Capacity():
		return r.Corrupt()
	case n == 0:
		return c.vacant()
	}
	c.Until = until
	r.filled.Acquire()
	return nil
}

// vacant says why there is no message: whether one may still come.
func (c *Reader) vacant() error {
	r := c.r
	if r.Closed() {
		return c.atClose()
	}
	if !c.dies {
		return r.Concluded(ring.ErrEmpty)
	}
	writer := r.head.writer.Load()
	if o := r.Owner(); o == ring.Nobody || !r.OwnerDead(o) {
		return r.Concluded(ring.ErrEmpty)
	}
	// SYNC: role: what the dead process wrote is visible.
	if r.head.tail.Load() != c.Next {
		return c.Messages()
	}
	if r.head.writer.Load() != writer {
		return r.Concluded(ring.ErrEmpty) // another process has the role
	}
	return r.Concluded(ErrWriterDied)
}

// atClose says whether a message is coming though the broadcast is closed.
func (c *Reader) atClose() error {
	r := c.r
	if closing := r.Closings(); !c.fenced || c.closing != closing {
		ring.Barrier() // a put that has not seen the flag has begun, and shows that from here on
		c.fenced, c.closing = true, closing
	}
	begun := r.head.begun.Load()
	switch tail := r.head.tail.Load(); {
	case tail != c.Next:
		return c.Messages()
	case begun-tail > r.Capacity():
		return r.Corrupt()
	case begun != tail && !r.OwnerDead(r.Owner()):
		return r.Concluded(ring.ErrEmpty) // the put is going to end
	}
	return r.Concluded(r.ErrClosed())
}

// Watch has the death of the writer end the sleep of a reader: it may have published a message and
// woken no reader. With many writers only the one counts that has begun a message of a broadcast
// that is closed.
func (c *Reader) Watch(w *lock.Watch) {
	r := c.r
	if r.turns != nil && !r.Closed() {
		return
	}
	if o := r.Owner(); !r.OwnerDead(o) {
		w.Process(o)
	}
}

// Ready reports whether a get would not find the broadcast empty.
func (c *Reader) Ready() bool { return c.Next != c.Until || c.look() }

// Event is what readers sleep on, and Policy how this one does.
func (c *Reader) Event() *lock.EventCount { return c.r.News.Event }

// Policy is how this reader waits.
func (c *Reader) Policy() wait.Policy { return c.policy }

// Await waits for a message.
//
// Errors: those of Messages, but [ring.ErrEmpty]; the context's error.
func (c *Reader) Await(ctx context.Context) error {
	if c.gather > 0 {
		cpu.Pause(c.gather)
	}
	if c.look() {
		c.adapt()
		return c.err
	}
	c.gather = 0
	s := &c.r.News
	policy, over := s.SpinThen(c.policy, &c.r.Room, c.look)
	if !over {
		c.r.Shared.Counters.Waits.Add(1)
		began := wait.Start(ctx)
		if err := s.Event.AwaitEach(ctx, policy, c.look, c.Watch); err != nil {
			return wait.Late(ctx, err, began)
		}
	}
	if c.err == nil {
		s.Adapt(c.Until-c.Next > 1)
	}
	return c.err
}

// mostGather is how long a reader of a stream lets messages gather before it looks, in units of
// cpu.Pause.
const mostGather = 32

// adapt sets how long messages gather before the next look, after a look that has found some. Each
// look takes the cache line of the tail from the writer. Several messages, but few, are a stream
// whose reader keeps up with the writer: a look at each would hold both up. A single one may be of
// a conversation, and many say that the writer waits for the reader.
func (c *Reader) adapt() {
	switch n := c.Until - c.Next; {
	case n <= c.size:
		c.gather = 0
	case n < c.r.Capacity()/64:
		c.gather = min(2*max(c.gather, 1), mostGather)
	case n > c.r.Capacity()/8:
		c.gather /= 2
	}
}

// Finish says that what lies before end has been read, and wakes a writer that waits for that.
func (c *Reader) Finish(end uint64) {
	crashpoint.Here("cast.copied")
	c.r.freed.ReleaseMerge()
	c.size = end - c.Next
	c.Next = end
	// SYNC: cursor: the messages have been copied before it says so.
	ring.StoreRelease(&c.r.cells[c.cell].cursor, end)
	crashpoint.Here("cast.read")
	if !c.r.Room.Event.Quiet() && c.r.Room.Event.Awaited() {
		c.wakeWriter()
	}
}

// wakeWriter wakes a writer that sleeps until this reader has come as far as it has, or that does
// not say for which it waits.
func (c *Reader) wakeWriter() {
	r := c.r
	r.cells[c.cell].fences.Add(1) // SYNC: awaited: the cursor is visible before the load below
	a := r.head.awaited.Load()
	mine := a&awaitedCell == uint64(c.cell+1)
	if a == 0 || mine && int64(c.Next<<awaitedShift-a&^uint64(awaitedCell)) >= 0 {
		r.Room.Event.NotifyAll() // one writer: see lock.EventCount.NotifyAll
	}
}

// Look gives the message of fixed size that comes next to the caller, to look at it in place until
// EndPeek. The next get ends a look that was forgotten.
func (c *Reader) Look() (position uint64) {
	c.begin(c.Next + 1)
	return c.Next
}

// begin notes that a message is looked at which ends there.
func (c *Reader) begin(end uint64) {
	c.open, c.end, c.there = true, end, c.Until
	c.Until = c.Next // the next get asks first, and ends the look
}

// LookAtMessage is Look for a message of any length.
//
// Errors: those of Lost, [segment.ErrCorrupt].
func (c *Reader) LookAtMessage() (message []byte, position uint64, err error) {
	message, err = c.Message()
	switch {
	case err != nil:
		return nil, 0, err
	case !c.live():
		return nil, 0, c.Lost()
	}
	c.seen = c.number + 1
	c.begin(c.end)
	return message, c.Next, nil
}

// Message gives the message of any length that comes next to the caller, to copy it. Copied
// follows.
//
// Errors: those of Lost, [segment.ErrCorrupt].
func (c *Reader) Message() ([]byte, error) {
	number, message, end, ok := c.r.messageAt(c.Next, c.Until-c.Next)
	switch {
	case ok:
		c.number, c.end = number, end
		return message, nil
	case !c.live():
		return nil, c.Lost()
	}
	return nil, c.r.Corrupt()
}

// Copied says that the message has been copied.
//
// Errors: those of Lost: the copy may be torn.
func (c *Reader) Copied() error {
	if !c.live() {
		return c.Lost()
	}
	c.seen = c.number + 1
	c.Finish(c.end)
	return nil
}

// Valid reports whether what is looked at, at a position, is still the message.
func (c *Reader) Valid(position uint64) bool { return c.open && c.Next == position && c.live() }

// EndPeek ends a look.
//
// Errors: [ring.ErrNotHeld]; those of Lost, when the message may have been overwritten meanwhile.
func (c *Reader) EndPeek(position uint64) error {
	if !c.open || c.Next != position {
		return ring.ErrNotHeld
	}
	c.open = false
	if !c.live() {
		return c.Lost()
	}
	c.Finish(c.end)
	c.Until = c.there
	return nil
}

// Latest copies the newest message of fixed size to v, whichever readers have read it.
//
// Errors: [ring.ErrEmpty], [lock.ErrClosed], [segment.ErrCorrupt].
func Latest[T any](r *Ring, v *T) error {
	for range ring.Retries {
		tail := r.head.tail.Load()
		if r.Closer.Closed() {
			return r.Closer.Err()
		}
		if tail == r.head.first {
			return r.Concluded(ring.ErrEmpty)
		}
		*v = *Value[T](r, tail-1)
		if r.head.unmoved(tail) {
			r.filled.Acquire()
			return r.Concluded(nil)
		}
	}
	return r.Corrupt()
}

// unmoved reports whether the tail stands, after a copy of the message before it: a writer writes
// to that place only after it has published the next one.
func (h *head) unmoved(tail uint64) bool {
	cpu.LoadFence() // SYNC: latest: the copy was made before this look
	return h.tail.Load() == tail
}
