package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
)

// PutBatch appends all messages of vs, in this order, and returns how many it has appended. It waits
// for room until ctx ends. Messages of others may come between them. With [DropNewest], when there is no room for one it and
// the rest are dropped, and n is less than len(vs) without an error.
//
// Errors: those of [Queue.Put]; n messages are in the queue then.
func (q *Queue[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	told := 0 // so many of them were announced
	for ; n < len(vs) && err == nil; n++ {
		s, p, _, e := q.r.claimPut()
		if e == nil {
			*valueOf[T](s) = vs[n]
			q.r.show(s, p)
			continue
		}
		if e == ErrFull || e == ring.ErrHeld {
			q.r.consumers.Event.Notify()
			told = n + 1
			e = q.putSlow(ctx, &vs[n])
		}
		if err = e; err != nil {
			break
		}
	}
	if n > told {
		q.r.consumers.Event.Notify()
	}
	if err == ring.ErrDropped {
		q.r.head.tally.Dropped.Add(uint64(len(vs) - n - 1)) // the first is counted
		err = nil
	}
	runtime.KeepAlive(q)
	return n, err
}

// GetBatch takes as many of the oldest messages as there are, up to len(vs), and returns how many it has
// taken. It waits for the first until ctx ends. For an empty vs it does nothing.
//
// Errors: those of [Queue.Get]; no message has been taken then.
func (q *Queue[T]) GetBatch(ctx context.Context, vs []T) (n int, err error) {
	if len(vs) == 0 {
		return 0, nil
	}
	if n = q.getMore(vs); n > 0 {
		return n, nil
	}
	if vs[0], err = q.Get(ctx); err != nil {
		return 0, err
	}
	return 1 + q.getMore(vs[1:]), nil
}

// getMore takes what is there.
func (q *Queue[T]) getMore(vs []T) (n int) {
	for n < len(vs) {
		s, p, _, err := q.r.take()
		if err != nil {
			break
		}
		vs[n] = *valueOf[T](s)
		elem.MendAt(q.bools, &vs[n])
		if q.r.finish(s, p) != nil {
			vs[n] = *new(T)
			break
		}
		n++
	}
	if n > 0 {
		q.r.producers.Event.Notify()
	}
	runtime.KeepAlive(q)
	return n
}
