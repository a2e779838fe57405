package queue

import (
	"context"
	"errors"
	"iter"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring/cast"
)

// A Reader gets the messages of a [Broadcast] in order. It exists from Subscribe on, and all puts
// wait for it, unless the Broadcast has [DropOldest], until it is closed, its process dies, or it
// is expelled. One goroutine at a time may use it.
type Reader[T any] struct {
	b   *Broadcast[T]
	c   *cast.Reader          // nil: of a Broadcast that overwrites
	old *overwrittenReader[T] // nil: of one that waits, which the process may write
}

// Subscribe returns a new reader of b. That of a process that only reads is one that no put waits
// for, as with [DropOldest], whatever the Broadcast is: it sees the newer half of the messages
// there is room for, and looks for new ones from time to time, up to 16 ms late.
//
// A Reader that is not reachable any more is closed by the garbage collector, some time later;
// [Reader.Close] does so at once.
//
// Errors: [ErrTooManyReaders]; [io/fs.ErrInvalid] for a bad Start; [shm.ErrClosed].
func (b *Broadcast[T]) Subscribe(from Start) (*Reader[T], error) {
	if b.r == nil || b.o.ReadOnly() {
		return &Reader[T]{b: b, old: b.overwrittenReader(from)}, nil
	}
	c, err := b.subscribe(from)
	if err != nil {
		return nil, err
	}
	return closeWith(&Reader[T]{b: b, c: c}, leaving{&b.broadcaster, c}), nil
}

// Get returns the next message. It waits for one until ctx ends. A message that is there at once is
// returned even when ctx has ended.
//
// Errors:
//   - [ErrExpelled], as an [*ExpelledError]: no put waits for this reader any longer. It may close,
//     and subscribe again.
//   - [ErrLapped], as a [*LappedError], with [DropOldest]: messages are lost, and the next Get
//     returns the oldest that was kept.
//   - [ErrClosed]: all messages have been read, and there will be no more.
//   - [ErrWriterDied], with [Options.EndWithWriter]: all messages have been read, and the writer is
//     dead. Another process may take over: the next Get waits for its messages then.
//   - [ErrNotHeld]: the reader was closed.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
func (r *Reader[T]) Get(ctx context.Context) (v T, err error) {
	c := r.c
	if c == nil {
		return r.old.get(ctx)
	}
	if c.Next == c.Until {
		if err := c.Await(ctx); err != nil {
			return v, r.b.ended(ctx, c, err)
		}
	}
	return r.next()
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty] when all messages have been read; otherwise those of [Reader.Get].
func (r *Reader[T]) TryGet() (v T, err error) {
	c := r.c
	if c == nil {
		return r.old.tryGet()
	}
	if c.Next == c.Until {
		if err := c.Messages(); err != nil {
			return v, r.b.ended(noWait, c, err)
		}
	}
	return r.next()
}

// next returns the next message, which is there.
func (r *Reader[T]) next() (v T, err error) {
	c := r.c
	v = *cast.Value[T](c.Ring(), c.Next)
	if r.b.bools != nil {
		v = elem.Mended(r.b.bools, v)
	}
	if !c.Live() {
		return *new(T), r.b.ended(noWait, c, c.Lost())
	}
	c.Finish(c.Next + 1)
	runtime.KeepAlive(r)
	return v, nil
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
	c := r.c
	if c == nil {
		if vs[0], err = r.old.get(ctx); err != nil {
			return 0, err
		}
		return 1 + r.old.getRest(vs[1:]), nil
	}
	if c.Until-c.Next < uint64(len(vs)) {
		if err := c.Await(ctx); err != nil {
			return 0, r.b.ended(ctx, c, err)
		}
	}
	k := min(c.Until-c.Next, uint64(len(vs)))
	for n < int(k) {
		n += copy(vs[n:], cast.Run[T](c.Ring(), c.Next+uint64(n), k-uint64(n)))
	}
	if !c.Live() {
		clear(vs[:n]) // they may be torn
		return 0, r.b.ended(noWait, c, c.Lost())
	}
	elem.MendAll(r.b.bools, vs[:n])
	c.Finish(c.Next + k)
	runtime.KeepAlive(r)
	return n, nil
}

// Peek waits until there is a message, and lets the caller look at it in place; see [Peeked].
// Writers do not overwrite it before Release. The next Get or Peek ends a look that was forgotten.
//
// Errors: those of [Reader.Get]; [errors.ErrUnsupported] with [DropOldest], which waits for no
// reader.
func (r *Reader[T]) Peek(ctx context.Context) (Peeked[T], error) {
	c := r.c
	if c == nil && r.b.o.ReadOnly() {
		return Peeked[T]{}, r.b.o.Refused()
	}
	if c == nil {
		return Peeked[T]{}, errOverwritten
	}
	if c.Next == c.Until {
		if err := c.Await(ctx); err != nil {
			return Peeked[T]{}, r.b.ended(ctx, c, err)
		}
	}
	v := cast.Value[T](c.Ring(), c.Next)
	elem.MendAt(r.b.bools, v)
	return Peeked[T]{Value: v, position: c.Look(), ring: c, queue: &r.b.object}, nil
}

// Len is how many messages there are for r to read. Those that it has lost are not among them.
// While the writer is at work it is out of date when it is returned.
func (r *Reader[T]) Len() int {
	if r.c == nil {
		return r.old.len()
	}
	n := r.c.Len()
	runtime.KeepAlive(r)
	return int(n)
}

// All yields messages until the Broadcast is closed and all have been read. It waits for them until
// ctx ends. A [*LappedError] is yielded with a zero T, and then it goes on; any other error but
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

// Close ends the subscription: from now on no put waits for this reader. It may be called again.
// With [DropOldest] it does nothing.
func (r *Reader[T]) Close() error {
	if r.c != nil {
		leaving{&r.b.broadcaster, r.c}.close()
	}
	return nil
}
