package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/spsc"
)

// PutBatch appends all messages of vs, in this order, and returns how many it has appended. It
// waits for room until ctx ends. The consumer sees them in groups, each as large as there is room
// for at once. With [DropNewest], those for which there is no room are dropped, and n is less than
// len(vs) without an error.
//
// Errors: those of [SPSC.Put]; n messages are in the queue then.
func (q *SPSC[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	r := q.r
	for n < len(vs) {
		if !r.HasRoom() {
			if err := q.awaitRoom(ctx); err != nil {
				return n, q.droppedRest(err, len(vs)-n)
			}
		}
		at := r.Put.Next
		k := min(r.Put.Until-at, uint64(len(vs)-n))
		if !r.Begin(at + k) {
			return n, r.Refuse()
		}
		for end := at + k; at != end; {
			copied := spsc.CopyOut(ring.Run[T](&r.Cursor, at, end-at), vs[n:])
			at += uint64(copied)
			n += copied
		}
		r.Publish(at)
		r.FetchAfter(at, k)
	}
	runtime.KeepAlive(q)
	return n, nil
}

// droppedRest ends a batch of which n messages have no room: one is counted already when err says
// so.
func (q *SPSC[T]) droppedRest(err error, n int) error {
	if err == ring.ErrDropped {
		q.r.Shared.Counters.Dropped.Add(uint64(n - 1))
		return nil
	}
	return err
}

// GetBatch takes as many of the oldest messages as there are, up to len(vs), and returns how many
// it has taken. It waits for the first until ctx ends. For an empty vs it does nothing.
//
// Errors: those of [SPSC.Get]; no message has been taken then.
func (q *SPSC[T]) GetBatch(ctx context.Context, vs []T) (n int, err error) {
	if len(vs) == 0 {
		return 0, nil
	}
	r := q.r
	if r.Get.Until-r.Get.Next < uint64(len(vs)) {
		if err := q.awaitMessage(ctx); err != nil {
			return 0, err
		}
	}
	at := r.Get.Next
	if !r.BeginGet() {
		return 0, r.Closer.Err()
	}
	k := min(r.Get.Until-at, uint64(len(vs)))
	for n < int(k) {
		n += copy(vs[n:], ring.Run[T](&r.Cursor, at+uint64(n), k-uint64(n)))
	}
	elem.MendAll(q.bools, vs[:n])
	if err := r.Release(at + k); err != nil {
		clear(vs[:n])
		return 0, err
	}
	runtime.KeepAlive(q)
	return n, nil
}

// Reserve gives the place of the next message, to write it there; see [Reservation]. It waits for
// room until ctx ends. Until the reservation is over nothing else can be put.
//
// Errors: [ErrReserved]; [ErrFull], with [DropNewest], and a message is counted as dropped; those
// of [SPSC.Put]. Nothing is reserved then.
func (q *SPSC[T]) Reserve(ctx context.Context) (Reservation[T], error) {
	r := q.r
	if !r.HasRoom() {
		if err := q.awaitRoom(ctx); err != nil {
			return Reservation[T]{}, ring.FullIfDropped(err)
		}
	}
	at := r.Put.Next
	if !r.Begin(at + 1) {
		return Reservation[T]{}, r.Refuse()
	}
	r.Reserve()
	v := ring.Value[T](&r.Cursor, at)
	elem.MendAt(q.bools, v)
	return Reservation[T]{Value: v, position: at, ring: r, queue: &q.object}, nil
}

// Peek waits until there is a message, and lets the caller look at it; see [Peeked]. A second Peek,
// or a Get, before Release has the same message.
//
// Errors: those of [SPSC.Get].
func (q *SPSC[T]) Peek(ctx context.Context) (Peeked[T], error) {
	r := q.r
	if !r.HasMessages() || r.Closer.Closed() {
		if err := q.awaitMessage(ctx); err != nil {
			return Peeked[T]{}, err
		}
	}
	at := r.Get.Next
	v := ring.Value[T](&r.Cursor, at)
	elem.MendAt(q.bools, v)
	return Peeked[T]{Value: v, position: at, ring: r, queue: &q.object}, nil
}
