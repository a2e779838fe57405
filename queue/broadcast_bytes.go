package queue

import (
	"context"
	"iter"
	"runtime"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/cast"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A BroadcastBytes passes messages of any length to any number of readers, each of which gets every
// message, in one order. A message lies in one piece: the writer can write it in place, and all
// readers can look at it there, without a copy for each. In everything else it is as a [Broadcast]
// that waits.
//
// A BroadcastBytes is made by [NewBroadcastBytes] or [OpenBroadcastBytes], or by UnmarshalBinary of
// what another process's MarshalBinary wrote; the zero value is only for that. It must not be
// copied.
//
// A Put synchronizes before the return of each Get that sees its message, in any process.
type BroadcastBytes struct {
	broadcaster
}

// NewBroadcastBytes finds the BroadcastBytes of that name in the segment, or makes it, empty. Its
// capacity, in bytes, is rounded up to a power of two from 128 to 2³⁰. A message takes its length
// and 16 bytes, rounded up to a multiple of 64; the longest is half the capacity less 16 bytes.
//
// Errors: those of [NewBroadcast].
func NewBroadcastBytes(seg *shm.Segment, name string, capacity int, o Options) (*BroadcastBytes, error) {
	return newBroadcastBytesOf(segment.KindBroadcastBytes, seg, name, capacity, o)
}

func newBroadcastBytesOf(kind segment.Kind, seg *shm.Segment, name string, capacity int, o Options) (*BroadcastBytes, error) {
	if err := o.check(name, kind); err != nil {
		return nil, err
	}
	n, err := cast.BytesFor(name, capacity)
	if err != nil {
		return nil, err
	}
	if err := o.checkKeep(name, n); err != nil {
		return nil, err
	}
	b := newBroadcastBytesHandle(o)
	return findBroadcast(b, &b.broadcaster, seg, segment.Spec{Name: name, Kind: kind}, 0, capacity, n, o)
}

func newBroadcastBytesHandle(o Options) *BroadcastBytes {
	b := new(BroadcastBytes)
	b.policy, b.endDead = wait.Policy(o.Wait), o.EndWithWriter
	return b
}

// OpenBroadcastBytes finds the BroadcastBytes of that name, which must exist, whatever its capacity
// is, and the options that belong to it.
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrInvalid], [shm.ErrMismatch], [shm.ErrCorrupt],
// [shm.ErrClosed].
func OpenBroadcastBytes(seg *shm.Segment, name string, o Options) (*BroadcastBytes, error) {
	return openBroadcastBytesOf(segment.KindBroadcastBytes, seg, name, o)
}

func openBroadcastBytesOf(kind segment.Kind, seg *shm.Segment, name string, o Options) (*BroadcastBytes, error) {
	if err := o.check(name, kind); err != nil {
		return nil, err
	}
	return open(newBroadcastBytesHandle(o), seg, segment.Spec{Name: name, Kind: kind})
}

// UnmarshalBinary makes b a handle of the BroadcastBytes that another process's MarshalBinary wrote
// down. It must not have been used before.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (b *BroadcastBytes) UnmarshalBinary(data []byte) error {
	return unmarshal(b, data, segment.KindBroadcastBytes, "")
}

func (b *BroadcastBytes) bind(o *segment.Object) error { return b.view(o, 0) }

// Put sends a message, which is copied, to all readers. It waits for room until ctx ends, unless
// [Options.WhenFull] says otherwise. Where there is room at once, the message is put even when ctx
// has ended.
//
// Errors: those of [Broadcast.Put]; [io/fs.ErrInvalid] for a message that is too long. No reader
// sees the message then, and none ever will.
func (b *BroadcastBytes) Put(ctx context.Context, message []byte) error {
	return ring.UnlessDropped(b.put(ctx, message, false))
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull], also while another process has the turn to write; otherwise those of
// [BroadcastBytes.Put].
func (b *BroadcastBytes) TryPut(message []byte) error { return b.put(noWait, message, true) }

func (b *BroadcastBytes) put(ctx context.Context, message []byte, try bool) error {
	place, _, end, err := b.claim(ctx, len(message), try)
	if err != nil {
		return err
	}
	copy(place, message)
	b.r.Publish(end)
	runtime.KeepAlive(b)
	return nil
}

// claim begins a message of n bytes.
func (b *BroadcastBytes) claim(ctx context.Context, n int, try bool) (place []byte, at, end uint64, err error) {
	c := cast.Claim{Policy: b.policy, Try: try}
	if place, at, end, err = b.r.ClaimMessage(ctx, &c, uint64(max(n, 0))); err != nil {
		err = b.lateForReaders(ctx, err, &c)
	}
	return place, at, end, err
}

// PutBatch sends all messages, in this order, and returns how many it has sent. It waits for room
// until ctx ends. With [Many] there may be messages of others between them. With [DropNewest], when
// there is no room for one it and the rest are dropped, and n is less than len(messages) without an
// error.
//
// Errors: those of [BroadcastBytes.Put]; n messages were sent then.
func (b *BroadcastBytes) PutBatch(ctx context.Context, messages [][]byte) (n int, err error) {
	return castAll(b, messages, func(m []byte) error { return b.put(ctx, m, false) })
}

// castAll puts all vs, or, when one was dropped, those before it.
func castAll[T any](b *BroadcastBytes, vs []T, put func(T) error) (int, error) {
	for n, v := range vs {
		switch err := put(v); {
		case err == ring.ErrDropped:
			b.r.Shared.Counters.Dropped.Add(uint64(len(vs) - n - 1)) // this one is counted
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return len(vs), nil
}

// A BroadcastReservation is a place in a [BroadcastBytes] for a message that is written there,
// without a copy. It must be ended by Commit or Abort. When the process dies before, the message is
// abandoned.
//
// One goroutine at a time may use it. It must not be copied.
type BroadcastReservation struct {
	// Value is the message, in shared memory. What is in it at first is left from earlier
	// messages. It must not be used after Commit or Abort.
	Value []byte

	position uint64
	b        *BroadcastBytes // nil: it has ended
}

// Reserve gives the place of a message of n bytes, to write it there. It waits for room until ctx
// ends. Until the reservation is over nothing else can be put; with [Many] the other writers wait.
//
// Errors: [ErrFull], with [DropNewest], and a message is counted as dropped; otherwise those of
// [BroadcastBytes.Put]. Nothing is reserved then.
func (b *BroadcastBytes) Reserve(ctx context.Context, n int) (BroadcastReservation, error) {
	place, at, end, err := b.claim(ctx, n, false)
	if err != nil {
		return BroadcastReservation{}, ring.FullIfDropped(err)
	}
	b.r.Reserve(end)
	return BroadcastReservation{Value: place, position: at, b: b}, nil
}

// Commit sends the message.
//
// Errors: [ErrNotHeld]; [shm.ErrClosed], no reader sees the message then.
func (m *BroadcastReservation) Commit() error { return m.end((*cast.Ring).Commit) }

// Abort gives the place back without a message.
//
// Errors: [ErrNotHeld], [shm.ErrClosed].
func (m *BroadcastReservation) Abort() error { return m.end((*cast.Ring).Abort) }

func (m *BroadcastReservation) end(by func(*cast.Ring, uint64) error) error {
	if m.b == nil {
		return ErrNotHeld
	}
	err := by(m.b.r, m.position)
	runtime.KeepAlive(m.b)
	*m = BroadcastReservation{}
	return err
}

// AwaitReaders waits until n readers are subscribed; see [Broadcast.AwaitReaders].
func (b *BroadcastBytes) AwaitReaders(ctx context.Context, n int) error {
	return b.awaitReaders(ctx, n)
}

// Readers yields the readers of living processes; see [Broadcast.Readers].
func (b *BroadcastBytes) Readers() iter.Seq[ReaderInfo] { return b.infos() }

// Close says that nothing will be put any more, until Reopen; see [Broadcast.Close].
func (b *BroadcastBytes) Close() error { return b.close() }

// Reopen opens a BroadcastBytes that was closed; see [Broadcast.Reopen].
func (b *BroadcastBytes) Reopen() error { return b.reopen() }

// Closed reports whether a process has closed it. There may still be messages to read.
func (b *BroadcastBytes) Closed() bool { return b.closed() }

// Cap is how many bytes there are for messages: the capacity that was asked for, rounded up to a
// power of two. The longest message has half of that, less 16.
func (b *BroadcastBytes) Cap() int { return int(b.r.Capacity()) }

// Stats returns the counts; see [Broadcast.Stats]. A process that is killed in the instant before
// it begins a message may leave a count of one too many.
func (b *BroadcastBytes) Stats() Stats { return b.stats() }

// Detach ends the use of the object by this handle; see [Broadcast.Detach].
func (b *BroadcastBytes) Detach() error { return b.broadcaster.Detach() }
