package queue

import (
	"context"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/record"
)

// PutBatch appends all messages, in this order but perhaps with others between them, and returns
// how many it has appended. It waits for room until ctx ends. With [DropNewest], when there is no
// room for one it and the rest are dropped, and n is less than len(messages) without an error.
//
// Errors: those of [Bytes.Put]; n messages are in the queue then.
func (b *Bytes) PutBatch(ctx context.Context, messages [][]byte) (n int, err error) {
	return putAll(b.r, messages, func(m []byte) error { return b.put(ctx, m) })
}

// putAll puts all vs, or, when one was dropped, those before it.
func putAll[T any](r *record.Ring, vs []T, put func(T) error) (int, error) {
	for n, v := range vs {
		switch err := put(v); {
		case err == ring.ErrDropped:
			r.Shared.Counters.Dropped.Add(uint64(len(vs) - n - 1)) // this one is counted
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return len(vs), nil
}

// GetBatch takes as many of the oldest messages as there are, up to len(into), and returns how many
// it has taken. Each is put into the memory of a slice of into, if that has room for it. It waits
// for the first until ctx ends. For an empty into it does nothing.
//
// Errors: those of [Bytes.Get] for the first message; what comes after it is left to the next call.
func (b *Bytes) GetBatch(ctx context.Context, into [][]byte) (n int, err error) {
	for n < len(into) {
		var c record.Claim
		if n == 0 {
			c, err = b.claimMessage(ctx)
		} else {
			c, err = b.tryClaim()
		}
		if err == nil {
			into[n], err = b.drain(c, into[n][:0])
		}
		if err != nil {
			break
		}
		n++
	}
	if n > 0 {
		err = nil
	}
	return n, err
}
