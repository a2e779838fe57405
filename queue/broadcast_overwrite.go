package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/seqlock"
	"github.com/shmkit/shmkit/internal/wait"
)

// ErrLapped says that a reader was too slow. It comes as a [*LappedError] from a Broadcast with
// [DropOldest]: messages that the reader had not read were overwritten. Others expel a reader that
// is too slow; an [*ExpelledError] is an ErrLapped, too.
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

// An overwrittenReader reads a Broadcast that overwrites its oldest message, or that the process
// may not write, from a position of its own: no put waits for it.
type overwrittenReader[T any] struct {
	b    *Broadcast[T]
	next uint64
	err  error       // what the last look has found
	v    T           // what the last look has read
	look func() bool // reports whether a wait is over
}

func (b *Broadcast[T]) overwrittenReader(from Start) *overwrittenReader[T] {
	r := &overwrittenReader[T]{b: b}
	if b.r != nil {
		r.next = b.seen.Tail()
	} else {
		r.next = b.oldSeen.Next()
	}
	if from == FromOldest {
		r.next = r.oldest(r.next)
	}
	r.look = func() bool {
		r.v, r.err = r.tryGet()
		return r.err != ErrEmpty
	}
	return r
}

func (r *overwrittenReader[T]) get(ctx context.Context) (v T, err error) {
	v, err = r.tryGet()
	if err != ErrEmpty {
		return v, err
	}
	return r.wait(ctx)
}

func (r *overwrittenReader[T]) wait(ctx context.Context) (v T, err error) {
	if r.b.o.ReadOnly() {
		if err := r.b.o.Nap(ctx, r.look); err != nil && r.b.o.Closed() {
			return v, r.b.gone()
		} else if err != nil {
			return v, r.b.lateForMessage(ctx, err, r.owner(), "is the writer")
		}
		return r.v, r.err
	}
	b := r.b.old
	policy, over := b.Readers.SpinThen(r.b.policy, &b.Writer, r.look)
	if !over {
		b.Shared.Counters.Waits.Add(1)
		began := wait.Start(ctx)
		if err := b.Readers.Event.AwaitEach(ctx, policy, r.look, nil); err != nil {
			return v, r.b.lateForMessage(ctx, wait.Late(ctx, err, began), b.Owner(), "is the writer")
		}
	}
	b.Readers.Adapt(b.Holds(r.next))
	return r.v, r.err
}

func (r *overwrittenReader[T]) tryGet() (v T, err error) {
	seen, ok := r.read(&v)
	switch {
	case r.b.o.Closed(): // asked after the copy, which may be one of private memory
		v, err = *new(T), r.b.gone()
	case !ok:
		v, err = *new(T), r.behind(seen)
	}
	runtime.KeepAlive(r)
	return v, err
}

// read copies the next message to v, if it is there. Otherwise it returns the number of its slot,
// and v may be torn.
func (r *overwrittenReader[T]) read(v *T) (seen uint64, ok bool) {
	if r.b.r != nil {
		return 0, r.onlook(v)
	}
	if seen, ok = seqlock.Read(r.b.oldSeen, r.next, v); !ok {
		return seen, false
	}
	if r.b.bools != nil {
		elem.MendAt(r.b.bools, v)
	}
	r.next++
	return seen, true
}

// behind says why the slot of the next message, in which a number was seen, does not hold it.
func (r *overwrittenReader[T]) behind(seen uint64) error {
	kept, err := r.kept(seen)
	if err != nil {
		return err
	}
	lost := kept - r.next
	r.next = kept
	return &LappedError{Lost: lost}
}

// getRest reads messages behind the first of a batch.
func (r *overwrittenReader[T]) getRest(vs []T) (n int) {
	for n = range vs {
		if _, ok := r.read(&vs[n]); !ok || r.b.old.Closer.Closed() {
			vs[n] = *new(T) // it may be torn
			return n
		}
	}
	return len(vs)
}

func (r *overwrittenReader[T]) len() int {
	if b := r.b.seen; b != nil {
		tail := b.Tail()
		return int(min(tail-r.next, tail-b.Kept(tail)))
	}
	b := r.b.oldSeen
	next := b.Next()
	n := int64(next - r.next)
	if n > 0 && !b.Holds(r.next) { // lapped
		n = int64(next - b.Oldest(next))
	}
	// below 0: the last one that was read is complete, but not published
	return int(max(0, min(n, int64(b.Capacity()))))
}

// latestOverwritten is Latest of a Broadcast that overwrites.
func (b *Broadcast[T]) latestOverwritten(v *T) error {
	r := b.oldSeen
	for range ring.Retries {
		if b.o.Closed() {
			return b.gone()
		}
		next := r.Next()
		if next == r.First() {
			return r.Concluded(ErrEmpty)
		}
		// else it was overwritten: there is a newer one
		if _, ok := seqlock.Read(r, next-1, v); ok {
			return r.Concluded(nil)
		}
	}
	return r.Corrupt()
}

// putOverwriting appends a message in the place of the oldest.
func (b *Broadcast[T]) putOverwriting(v *T) error {
	s, err := b.old.Begin()
	if err != nil {
		return err
	}
	*seqlock.Value[T](s) = *v
	b.old.Publish(s)
	runtime.KeepAlive(b)
	return nil
}

// putBatchOverwriting wakes readers that sleep at the end, and before that twice in each round of
// the ring.
func (b *Broadcast[T]) putBatchOverwriting(vs []T) (n int, err error) {
	r := b.old
	for n < len(vs) {
		var s *seqlock.Slot
		if s, err = r.Begin(); err != nil {
			break
		}
		*seqlock.Value[T](s) = vs[n]
		r.Store(s)
		n++
		if r.NotifyDue() {
			r.Notify()
		}
	}
	if n > 0 {
		r.Notify()
	}
	runtime.KeepAlive(b)
	return n, err
}

func (b *Broadcast[T]) reserveOverwriting() (Reservation[T], error) {
	s, err := b.old.Begin()
	if err != nil {
		return Reservation[T]{}, err
	}
	v := seqlock.Value[T](s)
	elem.MendAt(b.bools, v)
	return Reservation[T]{Value: v, position: b.old.Reserve(), ring: b.old, queue: &b.object}, nil
}

// statsOverwriting are the counts of a Broadcast that overwrites: no reader takes a message from
// the others, and what a reader has lost only its own [LappedError] says.
func (b *Broadcast[T]) statsOverwriting() Stats {
	shared := b.oldSeen.Shared
	if b.o.Vanished() {
		return Stats{}
	}
	return Stats{Put: b.oldSeen.Next() - b.oldSeen.First(), Abandoned: shared.Abandoned.Load(), Waits: shared.Counters.Waits.Load()}
}
