package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/record"
)

// A BytesReservation is a place in a [Bytes] for a message that is written there, without a copy.
// It must be ended by Commit or Abort; the messages behind it wait for that. When the process dies
// before, the message is abandoned.
//
// One goroutine at a time may use it. It must not be copied.
type BytesReservation struct {
	// Value is the message, in shared memory. What is in it at first is left from earlier
	// messages. It must not be used after Commit or Abort.
	Value []byte

	c record.Claim
	b *Bytes
}

// Reserve claims the place of a message of n bytes; see [BytesReservation]. It waits for room until
// ctx ends.
//
// Errors: those of [Bytes.Put]; nothing is reserved then.
func (b *Bytes) Reserve(ctx context.Context, n int) (BytesReservation, error) {
	c, err := b.claimRoom(ctx, max(n, 0))
	if err != nil {
		return BytesReservation{}, ring.FullIfDropped(err)
	}
	b.r.Keep()
	return BytesReservation{Value: b.r.Content(c), c: c, b: b}, nil
}

// Commit appends the message to the queue.
//
// Errors: [ErrNotHeld]; [shm.ErrClosed], the message is not in the queue then.
func (r *BytesReservation) Commit() error {
	if r.b == nil {
		return ErrNotHeld
	}
	return r.end(r.b.r.Commit(r.c))
}

// Abort gives the place back without a message.
//
// Errors: [ErrNotHeld], [shm.ErrClosed].
func (r *BytesReservation) Abort() error {
	if r.b == nil {
		return ErrNotHeld
	}
	return r.end(r.b.r.Abort(r.c))
}

func (r *BytesReservation) end(err error) error {
	runtime.KeepAlive(r.b)
	*r = BytesReservation{}
	return err
}

// A PeekedBytes is a message that is looked at where it lies, without a copy. It must be ended by
// Release. When the process dies before, the message is abandoned.
//
// One goroutine at a time may use it. It must not be copied.
type PeekedBytes struct {
	// Value is the message, in shared memory. It must not be used after Release.
	Value []byte

	c record.Claim
	b *Bytes
}

// Peek takes the oldest message, and lets the caller look at it; see [PeekedBytes]. It waits for
// one until ctx ends.
//
// Errors: those of [Bytes.Get].
func (b *Bytes) Peek(ctx context.Context) (PeekedBytes, error) {
	c, err := b.claimMessage(ctx)
	if err != nil {
		return PeekedBytes{}, err
	}
	b.r.Keep()
	return PeekedBytes{Value: b.r.Content(c), c: c, b: b}, nil
}

// TryPeek is Peek without waiting.
//
// Errors: those of [Bytes.TryGet].
func (b *Bytes) TryPeek() (PeekedBytes, error) {
	c, err := b.tryClaim()
	if err != nil {
		return PeekedBytes{}, err
	}
	b.r.Keep()
	return PeekedBytes{Value: b.r.Content(c), c: c, b: b}, nil
}

// Release gives the place of the message back.
//
// Errors: [ErrNotHeld]; [shm.ErrClosed].
func (p *PeekedBytes) Release() error {
	if p.b == nil {
		return ErrNotHeld
	}
	err := p.b.r.EndPeek(p.c)
	runtime.KeepAlive(p.b)
	*p = PeekedBytes{}
	return err
}
