package queue

import (
	"context"
	"runtime"
)

// PutBatch appends all messages of vs, in this order, and returns how many it has appended. It does not wait. Readers
// that sleep are woken at the end, and before that twice in each round of the ring. A batch of more than Cap messages overwrites its
// own beginning.
//
// Errors: those of [Broadcast.Put]; n messages are there then.
func (b *Broadcast[T]) PutBatch(vs []T) (n int, err error) {
	r := b.r
	for n < len(vs) {
		var s *broadcastSlot
		if s, err = r.begin(); err != nil {
			break
		}
		*broadcastValue[T](s) = vs[n]
		r.show(s)
		n++
		if r.next&(r.mask>>1) == 0 {
			r.tell()
		}
	}
	if n > 0 {
		r.tell()
	}
	runtime.KeepAlive(b)
	return n, err
}

// GetBatch reads as many of the next messages as there are, up to len(vs), and returns how many it has read. It waits
// for the first until ctx ends. What is behind them in vs may have changed. For an empty vs it does nothing.
//
// Errors: those of [Reader.Get] for the first message; what comes after it is left to the next call.
func (r *Reader[T]) GetBatch(ctx context.Context, vs []T) (n int, err error) {
	if len(vs) == 0 {
		return 0, nil
	}
	if vs[0], err = r.Get(ctx); err != nil {
		return 0, err
	}
	for n = 1; n < len(vs); n++ {
		if _, ok := r.read(&vs[n]); !ok {
			vs[n] = *new(T) // it may be torn
			break
		}
	}
	runtime.KeepAlive(r)
	return n, nil
}

// Len is how many messages there are for r to read. Those that it has lost are not among them. While the
// writer is at work it is out of date when it is returned.
func (r *Reader[T]) Len() int {
	b := r.b.r
	next := b.head.next.Load()
	n := int64(next - r.next)
	if n > 0 && b.slot(r.next).sequence.Load() != complete(r.next) { // lapped
		n = int64(next - b.oldest(next))
	}
	runtime.KeepAlive(r)
	return int(max(0, min(n, int64(b.capacity())))) // below 0: the last one that was read is complete, but not published
}
