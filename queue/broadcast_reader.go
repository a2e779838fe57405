package queue

import (
	"context"
	"errors"
	"iter"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
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

// A Reader reads the messages of a [Broadcast] in order, from a position of its own. One goroutine at a time may
// use it; there can be any number of them.
type Reader[T any] struct {
	b    *Broadcast[T]
	next uint64
	err  error       // what the last look has found
	v    T           // what the last look has read
	look func() bool // reports whether a wait is over
}

// Reader returns a new reader of b.
func (b *Broadcast[T]) Reader(from Start) *Reader[T] {
	r := &Reader[T]{b: b, next: b.r.head.next.Load()}
	if from == FromOldest {
		r.next = b.r.oldest(r.next)
	}
	r.look = func() bool {
		r.v, r.err = r.TryGet()
		return r.err != ErrEmpty
	}
	return r
}

// oldest is the position of the oldest message that is kept while next is that of the next one. The one
// before it may be about to be overwritten.
func (r *broadcast) oldest(next uint64) uint64 {
	return next - min(next-r.head.first, r.mask)
}

// Get returns the next message. It waits for one until ctx ends. A message that is there at once is returned even
// when ctx has ended.
//
// Errors:
//   - [ErrLapped], as a [*LappedError]: messages are lost, and the next Get returns the oldest that was kept.
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
	s := &r.b.r.news
	policy, over := s.SpinThen(r.b.policy, &r.b.r.puts, r.look)
	if !over {
		r.b.r.head.waits.Add(1)
		if err := s.Event.AwaitEach(ctx, policy, r.look, nil); err != nil {
			return v, err
		}
	}
	s.Adapt(r.more())
	return r.v, r.err
}

// more reports whether the message after the last one is there, too.
func (r *Reader[T]) more() bool {
	return r.b.r.slot(r.next).sequence.Load() == complete(r.next)
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty] when all messages have been read; otherwise those of [Reader.Get].
func (r *Reader[T]) TryGet() (v T, err error) {
	b := r.b.r
	if b.Closer.Closed() {
		return v, shm.ErrClosed
	}
	seen, ok := r.read(&v)
	if !ok {
		v, err = *new(T), r.behind(seen)
	}
	runtime.KeepAlive(r)
	return v, err
}

// read copies the next message to v, if it is there. Otherwise it returns the number of its slot, and v may be torn.
func (r *Reader[T]) read(v *T) (seen uint64, ok bool) {
	b := r.b.r
	s := b.slot(r.next)
	want := complete(r.next)
	// SYNC: sequence: the value that belongs to the number was written before it.
	if seen = s.sequence.Load(); seen != want {
		return seen, false
	}
	*v = *broadcastValue[T](s)
	cpu.LoadFence() // the copy was made before the number is looked at again
	if seen = s.sequence.Load(); seen != want {
		return seen, false
	}
	if r.b.bools != nil {
		elem.MendAt(r.b.bools, v)
	}
	b.filled.Acquire()
	r.next++
	return seen, true
}

// behind says why the slot of the next message, whose number was seen, does not hold it.
func (r *Reader[T]) behind(seen uint64) error {
	b := r.b.r
	if int64(seen-complete(r.next)) < 0 { // an earlier message, or this one that is being written
		if b.head.closed.Load() == 0 {
			return ErrEmpty
		}
		// What was put before the close shows in a second look, and may even be overwritten by now.
		switch seen = b.slot(r.next).sequence.Load(); {
		case int64(seen-complete(r.next)) < 0:
			return ErrClosed
		case seen == complete(r.next):
			return ErrEmpty // the next look reads it
		}
	}
	kept := b.oldest(b.head.next.Load())
	lost := kept - r.next
	if int64(lost) <= 0 {
		return b.Corrupt
	}
	r.next = kept
	return &LappedError{Lost: lost}
}

// All yields messages until the Broadcast is closed and all have been read. It waits for them until ctx ends. An [ErrLapped]
// is yielded with a zero T, and then it goes on; any other error but [ErrClosed] is the last thing that it yields.
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

// Latest returns the newest message, whoever has read it. It does not wait.
//
// Errors: [ErrEmpty] when nothing was ever put, [shm.ErrClosed], [shm.ErrCorrupt].
func (b *Broadcast[T]) Latest() (v T, err error) {
	h := b.r.head
	for range ring.Retries {
		if b.r.Closer.Closed() {
			return v, shm.ErrClosed
		}
		next := h.next.Load()
		if next == h.first {
			return v, ErrEmpty
		}
		s := b.r.slot(next - 1)
		if s.sequence.Load() != complete(next-1) {
			continue // it was overwritten: there is a newer one
		}
		v = *broadcastValue[T](s)
		cpu.LoadFence()
		if s.sequence.Load() == complete(next-1) {
			b.r.filled.Acquire()
			if b.bools != nil {
				v = elem.Mended(b.bools, v)
			}
			runtime.KeepAlive(b)
			return v, nil
		}
	}
	return *new(T), b.r.Corrupt
}
