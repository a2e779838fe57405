package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/record"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// An Objects passes Go values of any type T that can be encoded: with strings, slices, maps,
// pointers, times, and handles of shared objects. It is a [Bytes] of messages in CBOR (RFC 8949),
// which other languages can read. A value arrives equal, or is refused: by [NewObjects] when the
// type says that it would not, as one with a field that is not exported does, else by
// [Objects.Put].
//
// Encoding and decoding allocate. Values of fixed size are far faster in a [Queue].
//
// An Objects is made by [NewObjects] or [OpenObjects], or by UnmarshalBinary of what another
// process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
type Objects[T any] struct {
	_ noCopy
	b Bytes
}

// NewObjects finds the Objects of that name in the segment, or makes it, empty. The capacity is in
// bytes: the length of the longest encoded value; see [NewBytes].
//
// Errors: those of [NewBytes]; what of T would arrive changed, with the path of the field.
func NewObjects[T any](seg *shm.Segment, name string, capacity int, o Options) (*Objects[T], error) {
	return objectsOf[T](func() (*Bytes, error) { return newBytesOf(segment.KindObjects, seg, name, capacity, o) })
}

// OpenObjects finds the Objects of that name, which must exist.
//
// Errors: those of [OpenBytes]; T can never be encoded.
func OpenObjects[T any](seg *shm.Segment, name string, o Options) (*Objects[T], error) {
	return objectsOf[T](func() (*Bytes, error) {
		return openBytesOf(segment.KindObjects, seg, name, o)
	})
}

func objectsOf[T any](open func() (*Bytes, error)) (*Objects[T], error) {
	if err := codec.Check[T](); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	b, err := open()
	if err != nil {
		return nil, err
	}
	q := new(Objects[T])
	q.b.self = &q.b
	q.b.object.o, q.b.r, q.b.seen, q.b.policy, q.b.full = b.o, b.r, b.seen, b.policy, b.full
	return q, nil
}

// Name is the object's name in its segment.
func (q *Objects[T]) Name() string { return q.b.Name() }

// String names the queue, its kind and its segment: for people, and for logs.
func (q *Objects[T]) String() string { return q.b.String() }

// MarshalBinary writes the handle down for another process of this machine; see
// [Bytes.MarshalBinary].
func (q *Objects[T]) MarshalBinary() ([]byte, error) { return q.b.MarshalBinary() }

// UnmarshalBinary makes q a handle of the Objects that another process's MarshalBinary wrote down.
//
// Errors: those of [Bytes.UnmarshalBinary].
func (q *Objects[T]) UnmarshalBinary(data []byte) error {
	return unmarshal(&q.b, data, segment.KindObjects, "")
}

// Detach ends the use of the object by this handle; see [Bytes.Detach].
func (q *Objects[T]) Detach() error { return q.b.Detach() }

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Put appends a value. It waits for room until ctx ends.
//
// Errors: what of v cannot be encoded, such as a cycle; otherwise those of [Bytes.Put]. Nothing was
// put then, and no consumer woken.
func (q *Objects[T]) Put(ctx context.Context, v T) error { return ring.UnlessDropped(q.put(ctx, v)) }

func (q *Objects[T]) put(ctx context.Context, v T) error {
	return q.encoded(v, func(m []byte) error { return q.b.put(ctx, m) })
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull]; otherwise those of [Objects.Put].
func (q *Objects[T]) TryPut(v T) error { return q.encoded(v, q.b.TryPut) }

func (q *Objects[T]) encoded(v T, put func([]byte) error) error {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	if err := codec.Append(b, v); err != nil {
		return fmt.Errorf("queue: %q: %w", q.Name(), err)
	}
	return put(b.Bytes())
}

// Get takes the oldest value. It waits for one until ctx ends.
//
// Handles in the value attach this process to their objects, and to the segments of these. The
// garbage collector lets go of what is unreachable; their Detach does so at once.
//
// Errors: a [*DecodeError] when it does not fit into T, it has been taken all the same; otherwise
// those of [Bytes.Get].
func (q *Objects[T]) Get(ctx context.Context) (v T, err error) {
	c, err := q.b.claimMessage(ctx)
	if err != nil {
		return v, err
	}
	return q.decoded(c)
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty]; otherwise those of [Objects.Get].
func (q *Objects[T]) TryGet() (v T, err error) {
	c, err := q.b.tryClaim()
	if err != nil {
		return v, err
	}
	return q.decoded(c)
}

// decoded makes a value of a claimed message, from a private copy: what lies in shared memory may
// change while it is read.
func (q *Objects[T]) decoded(c record.Claim) (v T, err error) {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	b.Write(q.b.r.Content(c))
	err = q.b.r.Release(c)
	runtime.KeepAlive(q)
	if err != nil {
		return v, err
	}
	if err := codec.Decode(b.Bytes(), &v); err != nil {
		return *new(T), &DecodeError{Queue: q.Name(), Err: err}
	}
	return v, nil
}

// A DecodeError says that a message is no value of the type that was asked for.
type DecodeError struct {
	Queue string // name of the queue
	Err   error  // what the codec says
}

// Error names the queue, and says what the codec says.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("queue: %q: a message is no value of this type: %v", e.Queue, e.Err)
}

// Unwrap is what the codec says.
func (e *DecodeError) Unwrap() error { return e.Err }

// All takes values until the queue is closed and empty. It waits for them until ctx ends. A
// [*DecodeError] is yielded with a zero T, and then it goes on; any other error but [ErrClosed] is
// the last thing that it yields.
func (q *Objects[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(v, err) {
				return
			}
			if _, bad := err.(*DecodeError); err != nil && !bad {
				return
			}
		}
	}
}
