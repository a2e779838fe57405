package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/seqlock"
	"github.com/shmkit/shmkit/shm"
)

// A Start says where a reader begins.
type Start int

const (
	// FromNewest begins with the first message that is put after the reader was made.
	FromNewest Start = iota
	// FromOldest begins with the oldest message that is kept.
	FromOldest
)

// A Reader reads the messages of a [Broadcast] in order, from a position of its own. One goroutine
// at a time may use it; there can be any number of them.
type Reader[T any] struct {
	b    *Broadcast[T]
	next uint64
	err  error       // what the last look has found
	v    T           // what the last look has read
	look func() bool // reports whether a wait is over
}

// String names the place.
func (s Start) String() string { return enum(int(s), "Start", "FromNewest", "FromOldest") }

// ErrLapped says that a reader was too slow: messages that it had not read were overwritten. It
// comes as a [*LappedError].
var ErrLapped = errors.New("queue: messages were overwritten before they were read")

// A LappedError is an [ErrLapped] that says how many messages the reader has lost. The next one
// that it reads is the oldest that was kept.
type LappedError struct {
	Lost uint64 // how many messages were overwritten before this reader read them
}

// Error says how many messages are lost.
func (e *LappedError) Error() string { return fmt.Sprintf("%v: %d are lost", ErrLapped, e.Lost) }

// Unwrap makes [errors.Is] find [ErrLapped].
func (e *LappedError) Unwrap() error { return ErrLapped }

// Reader returns a new reader of b.
func (b *Broadcast[T]) Reader(from Start) *Reader[T] {
	r := &Reader[T]{b: b, next: b.r.Next()}
	if from == FromOldest {
		r.next = b.r.Oldest(r.next)
	}
	r.look = func() bool {
		r.v, r.err = r.TryGet()
		return r.err != ErrEmpty
	}
	return r
}

// Get returns the next message. It waits for one until ctx ends. A message that is there at once is
// returned even when ctx has ended.
//
// Errors:
//   - [ErrLapped], as a [*LappedError]: messages are lost, and the next Get returns the oldest that
//     was kept.
//   - [ErrClosed]: all messages have been read, and there will be no more.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
func (r *Reader[T]) Get(ctx context.Context) (v T, err error) {
	v, err = r.TryGet()
	if err != ErrEmpty {
		return v, err
	}
	return r.wait(ctx)
}

func (r *Reader[T]) wait(ctx context.Context) (v T, err error) {
	b := r.b.r
	policy, over := b.Readers.SpinThen(r.b.policy, &b.Writer, r.look)
	if !over {
		b.Shared.Counters.Waits.Add(1)
		if err := b.Readers.Event.AwaitEach(ctx, policy, r.look, nil); err != nil {
			return v, r.b.lateForMessage(ctx, err, b.Owner(), "is the writer")
		}
	}
	b.Readers.Adapt(b.Holds(r.next))
	return r.v, r.err
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty] when all messages have been read; otherwise those of [Reader.Get].
func (r *Reader[T]) TryGet() (v T, err error) {
	if r.b.r.Closer.Closed() {
		return v, shm.ErrClosed
	}
	seen, ok := r.read(&v)
	if !ok {
		v, err = *new(T), r.behind(seen)
	}
	runtime.KeepAlive(r)
	return v, err
}

// read copies the next message to v, if it is there. Otherwise it returns the number of its slot,
// and v may be torn.
func (r *Reader[T]) read(v *T) (seen uint64, ok bool) {
	if seen, ok = seqlock.Read(r.b.r, r.next, v); !ok {
		return seen, false
	}
	if r.b.bools != nil {
		elem.MendAt(r.b.bools, v)
	}
	r.next++
	return seen, true
}

// behind says why the slot of the next message, in which a number was seen, does not hold it.
func (r *Reader[T]) behind(seen uint64) error {
	kept, err := r.b.r.Miss(r.next, seen)
	if err != nil {
		return err
	}
	lost := kept - r.next
	r.next = kept
	return &LappedError{Lost: lost}
}

// GetBatch reads as many of the next messages as there are, up to len(vs), and returns how many it
// has read. It waits for the first until ctx ends. What is behind them in vs may have changed. For
// an empty vs it does nothing.
//
// Errors: those of [Reader.Get] for the first message; what comes after it is left to the next
// call.
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

// Len is how many messages there are for r to read. Those that it has lost are not among them.
// While the writer is at work it is out of date when it is returned.
func (r *Reader[T]) Len() int {
	b := r.b.r
	next := b.Next()
	n := int64(next - r.next)
	if n > 0 && !b.Holds(r.next) { // lapped
		n = int64(next - b.Oldest(next))
	}
	runtime.KeepAlive(r)
	// below 0: the last one that was read is complete, but not published
	return int(max(0, min(n, int64(b.Capacity()))))
}

// All yields messages until the Broadcast is closed and all have been read. It waits for them until
// ctx ends. An [ErrLapped] is yielded with a zero T, and then it goes on; any other error but
// [ErrClosed] is the last thing that it yields.
func (r *Reader[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := r.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(v, err) {
				return
			}
			if _, lapped := err.(*LappedError); err != nil && !lapped {
				return
			}
		}
	}
}

// Latest returns the newest message, whichever readers have read it. It does not wait.
//
// Errors: [ErrEmpty] when nothing was ever put, [shm.ErrClosed], [shm.ErrCorrupt].
func (b *Broadcast[T]) Latest() (v T, err error) {
	r := b.r
	for range ring.Retries {
		if r.Closer.Closed() {
			return v, shm.ErrClosed
		}
		next := r.Next()
		if next == r.First() {
			return v, r.Concluded(ErrEmpty)
		}
		// else it was overwritten: there is a newer one
		if _, ok := seqlock.Read(r, next-1, &v); ok {
			if b.bools != nil {
				v = elem.Mended(b.bools, v)
			}
			runtime.KeepAlive(b)
			return v, nil
		}
	}
	return *new(T), r.Corrupt()
}
