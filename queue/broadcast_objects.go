package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A BroadcastObjects passes Go values of any type T that can be encoded to any number of readers,
// each of which gets every value, in one order. It is a [BroadcastBytes] of messages in CBOR, as an
// [Objects] is a [Bytes]: a value arrives equal, or is refused.
//
// Encoding and decoding allocate. Values of fixed size are far faster in a [Broadcast].
//
// A BroadcastObjects is made by [NewBroadcastObjects] or [OpenBroadcastObjects], or by
// UnmarshalBinary of what another process's MarshalBinary wrote; the zero value is only for that.
// It must not be copied.
type BroadcastObjects[T any] struct {
	_ noCopy
	b BroadcastBytes
}

// NewBroadcastObjects finds the BroadcastObjects of that name in the segment, or makes it, empty.
// The capacity is in bytes of encoded values; see [NewBroadcastBytes].
//
// Errors: those of [NewBroadcast]; what of T would arrive changed, with the path of the field.
func NewBroadcastObjects[T any](seg *shm.Segment, name string, capacity int, o Options) (*BroadcastObjects[T], error) {
	return broadcastObjectsOf[T](o, func() (*BroadcastBytes, error) {
		return newBroadcastBytesOf(segment.KindBroadcastObjects, seg, name, capacity, o)
	})
}

// OpenBroadcastObjects finds the BroadcastObjects of that name, which must exist.
//
// Errors: those of [OpenBroadcastBytes]; T can never be encoded.
func OpenBroadcastObjects[T any](seg *shm.Segment, name string, o Options) (*BroadcastObjects[T], error) {
	return broadcastObjectsOf[T](o, func() (*BroadcastBytes, error) {
		return openBroadcastBytesOf(segment.KindBroadcastObjects, seg, name, o)
	})
}

func broadcastObjectsOf[T any](o Options, open func() (*BroadcastBytes, error)) (*BroadcastObjects[T], error) {
	if err := codec.Check[T](); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	b, err := open()
	if err != nil {
		return nil, err
	}
	q := new(BroadcastObjects[T])
	q.b.self = &q.b
	q.b.o, q.b.r, q.b.seen, q.b.policy, q.b.endDead = b.o, b.r, b.seen, b.policy, b.endDead
	return q, nil
}

// Name is the object's name in its segment, or "" when it has none.
func (q *BroadcastObjects[T]) Name() string { return q.b.Name() }

// String names the broadcast, its kind and its segment: for people, and for logs.
func (q *BroadcastObjects[T]) String() string { return q.b.String() }

// MarshalBinary writes the handle down for another process of this machine; see
// [BroadcastBytes.MarshalBinary].
func (q *BroadcastObjects[T]) MarshalBinary() ([]byte, error) { return q.b.MarshalBinary() }

// UnmarshalBinary makes q a handle of the BroadcastObjects that another process's MarshalBinary
// wrote down.
//
// Errors: those of [BroadcastBytes.UnmarshalBinary].
func (q *BroadcastObjects[T]) UnmarshalBinary(data []byte) error {
	return unmarshal(&q.b, data, segment.KindBroadcastObjects, "")
}

// Detach ends the use of the object by this handle; see [Broadcast.Detach].
func (q *BroadcastObjects[T]) Detach() error { return q.b.Detach() }

// Put sends a value to all readers. It waits for room until ctx ends, unless [Options.WhenFull]
// says otherwise.
//
// Errors: what of v cannot be encoded, such as a cycle; otherwise those of [BroadcastBytes.Put].
// Nothing was put then, and no reader woken.
func (q *BroadcastObjects[T]) Put(ctx context.Context, v T) error {
	return ring.UnlessDropped(q.put(ctx, v, false))
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull]; otherwise those of [BroadcastObjects.Put].
func (q *BroadcastObjects[T]) TryPut(v T) error { return q.put(noWait, v, true) }

func (q *BroadcastObjects[T]) put(ctx context.Context, v T, try bool) error {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	if err := codec.Append(b, v); err != nil {
		return fmt.Errorf("queue: %q: %w", q.Name(), err)
	}
	return q.b.put(ctx, b.Bytes(), try)
}

// PutBatch sends all values, in this order; see [BroadcastBytes.PutBatch].
//
// Errors: those of [BroadcastObjects.Put]; n values were sent then.
func (q *BroadcastObjects[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	return castAll(&q.b, vs, func(v T) error { return q.put(ctx, v, false) })
}

// AwaitReaders waits until n readers are subscribed; see [Broadcast.AwaitReaders].
func (q *BroadcastObjects[T]) AwaitReaders(ctx context.Context, n int) error {
	return q.b.awaitReaders(ctx, n)
}

// Readers yields the readers of living processes; see [Broadcast.Readers].
func (q *BroadcastObjects[T]) Readers() iter.Seq[ReaderInfo] { return q.b.infos() }

// Close says that nothing will be put any more, until Reopen; see [Broadcast.Close].
func (q *BroadcastObjects[T]) Close() error { return q.b.Close() }

// Reopen opens a BroadcastObjects that was closed; see [Broadcast.Reopen].
func (q *BroadcastObjects[T]) Reopen() error { return q.b.Reopen() }

// Closed reports whether a process has closed it. There may still be values to read.
func (q *BroadcastObjects[T]) Closed() bool { return q.b.Closed() }

// Cap is how many bytes there are for encoded values; see [BroadcastBytes.Cap].
func (q *BroadcastObjects[T]) Cap() int { return q.b.Cap() }

// Stats returns the counts; see [BroadcastBytes.Stats].
func (q *BroadcastObjects[T]) Stats() Stats { return q.b.Stats() }

// An ObjectsReader gets the values of a [BroadcastObjects] in order; see [Reader].
type ObjectsReader[T any] struct {
	r *BytesReader
}

// Subscribe returns a new reader of q; see [Broadcast.Subscribe].
func (q *BroadcastObjects[T]) Subscribe(from Start) (*ObjectsReader[T], error) {
	r, err := q.b.Subscribe(from)
	if err != nil {
		return nil, err
	}
	return &ObjectsReader[T]{r: r}, nil
}

// Get returns the next value. It waits for one until ctx ends. Each reader gets a value of its own.
//
// Errors: a [*DecodeError] when a message does not fit into T, the reader has passed it all the
// same; otherwise those of [Reader.Get].
func (r *ObjectsReader[T]) Get(ctx context.Context) (T, error) {
	return r.decoded(func(into []byte) ([]byte, error) { return r.r.AppendGet(ctx, into) })
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty]; otherwise those of [ObjectsReader.Get].
func (r *ObjectsReader[T]) TryGet() (T, error) {
	return r.decoded(func(into []byte) ([]byte, error) {
		if err := r.r.there(); err != nil {
			return into, err
		}
		return r.r.appendNext(into)
	})
}

// decoded makes a value of a message, from a private copy, which get appends to a buffer.
func (r *ObjectsReader[T]) decoded(get func(into []byte) ([]byte, error)) (v T, err error) {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	message, err := get(b.AvailableBuffer())
	if err != nil {
		return v, err
	}
	b.Write(message) // the buffer is as large as the message the next time
	if err := codec.Decode(b.Bytes(), &v); err != nil {
		return *new(T), &DecodeError{Queue: r.r.b.Name(), Err: err}
	}
	return v, nil
}

// All yields values until the BroadcastObjects is closed and all have been read. It waits for them
// until ctx ends. A [*DecodeError] is yielded with a zero T, and then it goes on; any other error
// but [ErrClosed] is the last thing that it yields.
func (r *ObjectsReader[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := r.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(v, err) {
				return
			}
			if _, bad := err.(*DecodeError); err != nil && !bad {
				return
			}
		}
	}
}

// Len is how many values there are for r to read; see [BytesReader.Len].
func (r *ObjectsReader[T]) Len() int { return r.r.Len() }

// Close ends the subscription: from now on no put waits for this reader. It may be called again.
func (r *ObjectsReader[T]) Close() error { return r.r.Close() }
