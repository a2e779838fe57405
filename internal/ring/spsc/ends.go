package spsc

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// HasRoom reports whether there is known to be room for a message, and this process is the
// producer.
func (r *Ring) HasRoom() bool { return r.Put.Next != r.Put.Until }

// HasMessages reports whether messages are known to be there, and this process is the consumer.
func (r *Ring) HasMessages() bool { return r.Get.Next != r.Get.Until }

// Room finds out up to which position there is room.
//
// Errors: [ring.ErrFull], [ring.ErrClosed], [ring.ErrRoleTaken], [ring.ErrReserved],
// [lock.ErrClosed], [segment.ErrCorrupt].
func (r *Ring) Room() error { return r.room(true) }

// room is Room, which is exact, or looks only at what the consumer has freed. The consumer does
// that now and then. Where it may be asleep, or busy with something else, the exact look is needed,
// which costs the consumer a cache miss.
func (r *Ring) room(exact bool) error {
	p := &r.put
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	if p.open {
		return ring.ErrReserved
	}
	if !p.owned {
		if err := r.takePut(); err != nil {
			return err
		}
	}
	switch {
	case !r.FindRoom(exact, 1):
		return r.Corrupt()
	case r.HasRoom():
		return nil
	case r.Closed():
		return r.Concluded(r.ErrClosed())
	}
	if exact && !p.full {
		p.full = true
		r.Shared.Counters.ObserveDepth(r.Capacity())
	}
	return r.Concluded(ring.ErrFull)
}

// AwaitRoom waits until there is room for a message, or does what the other policies say.
//
// Errors: those of Room, but ErrFull; [ring.ErrDropped]; the context's error.
func (r *Ring) AwaitRoom(ctx context.Context, policy wait.Policy, full ring.WhenFull) error {
	p := &r.put
	if full == ring.DropNewest {
		err := r.room(true)
		if err == ring.ErrFull {
			r.Shared.Counters.Dropped.Add(1)
			return ring.ErrDropped
		}
		return err
	}
	if p.look() {
		return p.err
	}
	policy, over := r.Put.SpinThen(policy, &r.Get.SpinWait, p.look)
	if over {
		return p.err
	}
	r.Shared.Counters.Waits.Add(1)
	began := wait.Start(ctx)
	if err := r.Put.Event.Await(ctx, policy, p.lookExactly, nil); err != nil {
		return wait.Late(ctx, err, began)
	}
	return p.err
}

// Begin announces the messages before end, for which there is room. It reports false when the queue
// or the segment is closed; Refuse must follow.
//
// The producer announces a message before it looks whether the queue is closed. A process that has
// closed the queue issues a membarrier, and so does the consumer when it finds the queue closed,
// once. So either the producer sees that the queue is closed, or the consumer that a message is on
// its way. In the same way a close of the segment waits for the message, or the producer sees it.
func (r *Ring) Begin(end uint64) bool {
	ring.StoreRelease(&r.putting, 1)
	ring.Announce(&r.head.begun, end)
	crashpoint.Here("spsc.begun")
	return r.head.ClosedBy.Load() == 0 && !r.closer.Closed()
}

// Refuse takes back what Begin has announced, and says why.
//
// Errors: [ring.ErrClosed], [lock.ErrClosed].
func (r *Ring) Refuse() error {
	r.withdraw()
	r.Put.Until = r.Put.Next // the next put asks first
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	return r.ErrClosed()
}

// withdraw takes back what Begin has announced.
func (r *Ring) withdraw() {
	ring.StoreRelease(&r.head.begun, r.Put.Next)
	crashpoint.Here("spsc.aborted")
	ring.StoreRelease(&r.putting, 0)
	r.Get.Event.NotifyAll() // a consumer that finds the queue closed may wait for this
}

// Publish makes the messages before end visible, which have been begun, and wakes the consumer.
func (r *Ring) Publish(end uint64) {
	crashpoint.Here("spsc.written")
	r.Cursor.Publish(end)
	crashpoint.Here("spsc.published")
	ring.StoreRelease(&r.putting, 0)
	if !r.Get.Event.Quiet() {
		r.Get.Event.NotifyAll()
	}
}

// Reserve keeps the place of the next message, which Begin has announced, until Commit or Abort.
func (r *Ring) Reserve() {
	p := &r.put
	// the next put has to ask for room, and is refused
	p.limit, r.Put.Until = r.Put.Until, r.Put.Next
	p.open = true
	// it is no reason to wait: the caller that has reserved it may be waiting, too
	ring.StoreRelease(&r.putting, 0)
}

// Commit publishes the message that was written in place at a position.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Commit(position uint64) error {
	if err := r.endReservation(position); err != nil {
		return err
	}
	r.Publish(position + 1)
	return nil
}

// Abort gives back the place at a position without a message.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) Abort(position uint64) error {
	if err := r.endReservation(position); err != nil {
		return err
	}
	r.withdraw()
	return nil
}

// endReservation makes room for the next put. When it returns nil, a close of the segment waits
// until the place is published or given back.
func (r *Ring) endReservation(position uint64) error {
	p := &r.put
	if !p.open || position != r.Put.Next {
		return ring.ErrNotHeld
	}
	ring.Announce(&r.putting, 1)
	if r.Closer.Closed() {
		ring.StoreRelease(&r.putting, 0) // the place dies with the attachment
		return r.Closer.Err()
	}
	p.open, r.Put.Until = false, p.limit
	return nil
}

// Messages finds out up to which position there are messages.
//
// Errors: [ring.ErrEmpty], [ring.ErrClosed], [ring.ErrRoleTaken], [lock.ErrClosed],
// [segment.ErrCorrupt].
func (r *Ring) Messages() error {
	r.FetchMessage()
	return r.messages()
}

// messages is Messages for a consumer that has the place of the next message on its way.
func (r *Ring) messages() error {
	c := &r.get
	if r.Closer.Closed() {
		return r.Closer.Err()
	}
	if !c.owned {
		if err := r.takeGet(); err != nil {
			return err
		}
	}
	if !r.FindMessages() {
		return r.Corrupt()
	}
	n := r.Get.Until - r.Get.Next
	if n == 0 {
		return r.vacant()
	}
	if n > c.high {
		c.high = n
		r.Shared.Counters.ObserveDepth(n)
	}
	return nil
}

// vacant says why there is no message: whether one may still come.
func (r *Ring) vacant() error {
	r.giveBack() // a producer may wait for the places that were read
	if !r.Closed() {
		return r.Concluded(ring.ErrEmpty)
	}
	if c, closing := &r.get, r.Closings(); !c.fenced || c.closing != closing {
		ring.Barrier() // a put that has not seen the flag has begun, and shows that from here on
		c.fenced, c.closing = true, closing
	}
	begun, next := r.head.begun.Load(), r.Get.Next
	switch tail := r.head.tail.Load(); {
	case begun-next > r.Capacity():
		return r.Corrupt()
	case tail != next || begun != tail && !r.Table.Dead(r.Producer()):
		return r.Concluded(ring.ErrEmpty) // the put is going to end
	}
	return r.Concluded(r.ErrClosed())
}

// WatchProducer has a consumer that finds the queue closed notice the death of the producer that it
// waits for.
func (r *Ring) WatchProducer(w *lock.Watch) {
	if r.Closed() {
		w.Process(r.Producer())
	}
}

// AwaitMessage waits until there is a message to take.
//
// Errors: those of Messages, but ErrEmpty; the context's error.
func (r *Ring) AwaitMessage(ctx context.Context, policy wait.Policy) error {
	c := &r.get
	if err := r.Messages(); err != ring.ErrEmpty {
		return err
	}
	if policy == wait.Spinning {
		if err := r.spinHotTail(); err != ring.ErrEmpty {
			return err
		}
	} else {
		var over bool
		if policy, over = r.Get.SpinThen(policy, &r.Put.SpinWait, c.look); over {
			return r.waited()
		}
	}
	r.Shared.Counters.Waits.Add(1)
	began := wait.Start(ctx)
	if err := r.Get.Event.Await(ctx, policy, c.look, r.WatchProducer); err != nil {
		return wait.Late(ctx, err, began)
	}
	return r.waited()
}

// spinHotTail is Messages for a consumer that never sleeps: it looks for some time, at nothing but
// the tail mostly.
func (r *Ring) spinHotTail() error {
	for looks := 0; r.Get.MaySpinHot(&r.Put.SpinWait) && looks < ring.HotSpins; looks += ring.TailPolls {
		r.PollTail()
		if err := r.messages(); err != ring.ErrEmpty {
			return err
		}
	}
	return ring.ErrEmpty
}

// waited ends a wait for messages.
func (r *Ring) waited() error {
	if r.get.err == nil {
		r.Get.Adapt(r.Get.Until-r.Get.Next > 1)
	}
	return r.get.err
}

// BeginGet says that messages are being copied out. It reports false when this process closes the
// segment, which then does not wait for the copy.
func (r *Ring) BeginGet() bool {
	ring.Announce(&r.getting, 1)
	if r.Closer.Closed() {
		ring.StoreRelease(&r.getting, 0)
		r.Get.Until = r.Get.Next // the next get asks first
		return false
	}
	return true
}

// Release notes that the messages before end have been copied, and wakes the producer.
//
// Errors: [lock.ErrClosed] when this process has left the segment meanwhile: what was copied may be
// nothing, and another process may have the messages.
func (r *Ring) Release(end uint64) error {
	crashpoint.Here("spsc.copied")
	r.Consume(end)
	crashpoint.Here("spsc.read")
	var err error
	if r.closer.Closed() {
		err = r.Reached() // while a close of the segment waits: later it would say nothing
	}
	ring.StoreRelease(&r.getting, 0)
	if r.FreeDue() {
		r.giveBack()
	}
	if !r.Put.Event.Quiet() { // a producer that sleeps looks at read itself
		r.Put.Event.NotifyAll()
	}
	return err
}

// giveBack tells the producer which places have been read.
func (r *Ring) giveBack() {
	if r.Free() {
		crashpoint.Here("spsc.freed")
	}
}

// EndPeek takes the message at a position out of the queue, which was read in place.
//
// Errors: [ring.ErrNotHeld], [lock.ErrClosed].
func (r *Ring) EndPeek(position uint64) error {
	if position != r.Get.Next || !r.HasMessages() {
		return ring.ErrNotHeld
	}
	if !r.BeginGet() {
		return r.Closer.Err()
	}
	return r.Release(position + 1)
}
