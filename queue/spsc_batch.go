package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// PutBatch appends all messages of vs, in this order, and returns how many it has appended. It waits
// for room until ctx ends. The consumer sees them in groups, each as large as there is room for at once. With
// [DropNewest], those for which there is no room are dropped, and n is less than len(vs) without an error.
//
// Errors: those of [SPSC.Put]; n messages are in the queue then.
func (q *SPSC[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	r := q.r
	for n < len(vs) {
		if r.put.next == r.put.until {
			if err := q.makeRoom(ctx); err != nil {
				return n, q.droppedRest(err, len(vs)-n)
			}
		}
		at := r.put.next
		k := min(r.put.until-at, uint64(len(vs)-n))
		if !r.begin(at + k) {
			return n, r.refuse()
		}
		for end := at + k; at != end; {
			copied := copyRun(spscRun[T](r, at, end-at), vs[n:])
			at += uint64(copied)
			n += copied
		}
		r.publish(at)
		if k*uint64(r.stride) < cpu.LongCopy {
			r.fetch(at, k)
		}
	}
	runtime.KeepAlive(q)
	return n, nil
}

// GetBatch takes as many of the oldest messages as there are, up to len(vs), and returns how many it has
// taken. It waits for the first until ctx ends. For an empty vs it does nothing.
//
// Errors: those of [SPSC.Get]; no message has been taken then.
func (q *SPSC[T]) GetBatch(ctx context.Context, vs []T) (n int, err error) {
	if len(vs) == 0 {
		return 0, nil
	}
	r := q.r
	if r.get.until-r.get.next < uint64(len(vs)) {
		if err := r.awaitMessage(ctx, q.policy); err != nil {
			return 0, err
		}
	}
	at := r.get.next
	if !r.beginGet() {
		return 0, shm.ErrClosed
	}
	k := min(r.get.until-at, uint64(len(vs)))
	for n < int(k) {
		n += copy(vs[n:], spscRun[T](r, at+uint64(n), k-uint64(n)))
	}
	elem.MendAll(q.bools, vs[:n])
	r.finish(at + k)
	runtime.KeepAlive(q)
	return n, nil
}

// Reserve gives the place of the next message, to write it there; see [Reservation]. It waits for room
// until ctx ends. Until the reservation is over nothing else can be put.
//
// Errors: [ErrReserved]; [ErrFull], with [DropNewest], and a message is counted as dropped; those of [SPSC.Put]. Nothing is reserved then.
func (q *SPSC[T]) Reserve(ctx context.Context) (Reservation[T], error) {
	r := q.r
	if r.put.next == r.put.until {
		if err := q.makeRoom(ctx); err != nil {
			return Reservation[T]{}, ring.FullIfDropped(err)
		}
	}
	at := r.put.next
	if !r.begin(at + 1) {
		return Reservation[T]{}, r.refuse()
	}
	r.put.limit, r.put.until = r.put.until, at // whoever wants room has to ask, and is refused
	r.put.open = true
	ring.StoreRelease(&r.put.busy, 0) // it is no reason to wait: who has reserved it may be waiting himself
	elem.MendAt(q.bools, spscValue[T](r, at))
	return Reservation[T]{Value: spscValue[T](r, at), at: place{position: at}, owner: r, keep: q}, nil
}

func (r *spsc) commit(p place) error {
	if err := r.endReservation(p); err != nil {
		return err
	}
	r.publish(p.position + 1)
	return nil
}

// endReservation makes room for the next put. When it returns nil, a close of the segment waits until the place is published or given back.
func (r *spsc) endReservation(p place) error {
	if !r.put.open || p.position != r.put.next {
		return ErrNotHeld
	}
	ring.Announce(&r.put.busy, 1)
	if r.Closer.Closed() {
		ring.StoreRelease(&r.put.busy, 0) // the place dies with the attachment
		return shm.ErrClosed
	}
	r.put.open, r.put.until = false, r.put.limit
	return nil
}

func (r *spsc) abandonPlace(p place) error {
	if err := r.endReservation(p); err != nil {
		return err
	}
	r.abort()
	return nil
}

// Peek waits until there is a message, and lets the caller look at it; see [Peeked]. A second Peek, or a Get,
// before Release has the same message.
//
// Errors: those of [SPSC.Get].
func (q *SPSC[T]) Peek(ctx context.Context) (Peeked[T], error) {
	r := q.r
	if r.get.next == r.get.until || r.Closer.Closed() {
		if err := r.awaitMessage(ctx, q.policy); err != nil {
			return Peeked[T]{}, err
		}
	}
	at := r.get.next
	elem.MendAt(q.bools, spscValue[T](r, at))
	return Peeked[T]{Value: spscValue[T](r, at), at: place{position: at}, owner: r, keep: q}, nil
}

func (r *spsc) releasePlace(p place) error {
	if p.position != r.get.next || r.get.next == r.get.until {
		return ErrNotHeld
	}
	if !r.beginGet() {
		return shm.ErrClosed
	}
	r.finish(p.position + 1)
	return nil
}
