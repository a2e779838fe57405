package queue

import (
	"context"
	"errors"
	"iter"
	"runtime"

	"github.com/shmkit/shmkit/internal/ring/cast"
)

// A BytesReader gets the messages of a [BroadcastBytes] in order; see [Reader].
type BytesReader struct {
	b *BroadcastBytes
	c *cast.Reader
}

// Subscribe returns a new reader of b; see [Broadcast.Subscribe].
func (b *BroadcastBytes) Subscribe(from Start) (*BytesReader, error) {
	c, err := b.subscribe(from)
	if err != nil {
		return nil, err
	}
	return closeWith(&BytesReader{b: b, c: c}, leaving{&b.broadcaster, c}), nil
}

// Get returns the next message, in memory of its own. It waits for one until ctx ends. A message
// that is there at once is returned even when ctx has ended.
//
// Errors: those of [Reader.Get].
func (r *BytesReader) Get(ctx context.Context) ([]byte, error) { return r.AppendGet(ctx, nil) }

// AppendGet is Get that appends the message to dst, as the built-in append does, and returns the
// extended slice. It allocates nothing when dst has room. On an error dst is as it was.
func (r *BytesReader) AppendGet(ctx context.Context, dst []byte) ([]byte, error) {
	if r.c.Next == r.c.Until {
		if err := r.c.Await(ctx); err != nil {
			return dst, r.b.ended(ctx, r.c, err)
		}
	}
	return r.appendNext(dst)
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty]; otherwise those of [Reader.Get].
func (r *BytesReader) TryGet() ([]byte, error) {
	if err := r.there(); err != nil {
		return nil, err
	}
	return r.appendNext(nil)
}

// there finds out whether there is a message.
func (r *BytesReader) there() error {
	if r.c.Next == r.c.Until {
		if err := r.c.Messages(); err != nil {
			return r.b.ended(noWait, r.c, err)
		}
	}
	return nil
}

// appendNext appends the next message, which is there.
func (r *BytesReader) appendNext(dst []byte) ([]byte, error) {
	message, err := r.c.Message()
	if err != nil {
		return dst, r.b.ended(noWait, r.c, err)
	}
	all := append(dst, message...)
	if err := r.c.Copied(); err != nil {
		return dst, r.b.ended(noWait, r.c, err)
	}
	runtime.KeepAlive(r)
	return all, nil
}

// GetBatch reads as many of the next messages as there are, up to len(into), and returns how many
// it has read. Each is put into the memory of a slice of into, if that has room for it. It waits
// for the first until ctx ends. For an empty into it does nothing.
//
// Errors: those of [Reader.Get] for the first message; what comes after it is left to the next
// call.
func (r *BytesReader) GetBatch(ctx context.Context, into [][]byte) (n int, err error) {
	for n < len(into) {
		if n == 0 {
			into[n], err = r.AppendGet(ctx, into[n][:0])
		} else if err = r.there(); err == nil {
			into[n], err = r.appendNext(into[n][:0])
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

// Peek waits until there is a message, and lets the caller look at it in place; see [PeekedCast].
// Writers do not overwrite it before Release. The next Get or Peek ends a look that was forgotten.
//
// Errors: those of [Reader.Get].
func (r *BytesReader) Peek(ctx context.Context) (PeekedCast, error) {
	if r.c.Next == r.c.Until {
		if err := r.c.Await(ctx); err != nil {
			return PeekedCast{}, r.b.ended(ctx, r.c, err)
		}
	}
	return r.look()
}

// TryPeek is Peek without waiting.
//
// Errors: [ErrEmpty]; otherwise those of [Reader.Get].
func (r *BytesReader) TryPeek() (PeekedCast, error) {
	if err := r.there(); err != nil {
		return PeekedCast{}, err
	}
	return r.look()
}

func (r *BytesReader) look() (PeekedCast, error) {
	message, at, err := r.c.LookAtMessage()
	if err != nil {
		return PeekedCast{}, r.b.ended(noWait, r.c, err)
	}
	return PeekedCast{Value: message, position: at, r: r}, nil
}

// Len is how many messages there are for r to read. While a writer is at work it is out of date
// when it is returned.
func (r *BytesReader) Len() int {
	n := r.c.Len()
	runtime.KeepAlive(r)
	return int(n)
}

// All yields messages until the BroadcastBytes is closed and all have been read. It waits for them
// until ctx ends. Each is a new slice. An error of [Reader.Get] other than [ErrClosed] is the last
// thing that it yields.
func (r *BytesReader) All(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			m, err := r.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the subscription: from now on no put waits for this reader. It may be called again.
func (r *BytesReader) Close() error {
	leaving{&r.b.broadcaster, r.c}.close()
	return nil
}

// A PeekedCast is a message of a [BroadcastBytes] that a reader looks at where it lies, without a
// copy. It must be ended by Release: writers wait for that.
//
// One goroutine at a time may use it. It must not be copied.
type PeekedCast struct {
	// Value is the message, in shared memory. It must not be changed, nor used after Release.
	Value []byte

	position uint64
	r        *BytesReader // nil: it has ended
}

// Valid reports whether Value still is the message: the look has not ended, and the reader was not
// expelled. It is for what cannot be undone; what was read before a Valid that reports true is
// right.
func (p *PeekedCast) Valid() bool {
	valid := p.r != nil && p.r.c.Valid(p.position)
	runtime.KeepAlive(p.r)
	return valid
}

// Release ends the look.
//
// Errors: [ErrNotHeld]; [ErrExpelled], as an [*ExpelledError], and [shm.ErrClosed]: what was read
// may be other messages.
func (p *PeekedCast) Release() error {
	if p.r == nil {
		return ErrNotHeld
	}
	err := p.r.c.EndPeek(p.position)
	if err != nil {
		err = p.r.b.ended(noWait, p.r.c, err)
	}
	runtime.KeepAlive(p.r)
	*p = PeekedCast{}
	return err
}
