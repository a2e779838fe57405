package queue

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/cast"
	"github.com/shmkit/shmkit/internal/ring/seqlock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Broadcast passes values of type T to any number of readers, each of which gets every message,
// in one order.
//
// By default, with [WaitForRoom], it loses nothing: a Put waits for the slowest reader of a living
// process while that has Cap messages to read. A reader that is closed, or whose process dies, is
// waited for no longer from that instant on. One that is slow, or stopped, is waited for without
// limit, or for [Options.Patience]: then it is expelled, and told. With [DropNewest] a message for
// which there is no room is dropped, and counted. With [DropOldest] no Put waits for a reader: the
// message overwrites the oldest, and a reader that is too slow is told how many it has lost.
//
// The first process that puts is the writer, until it dies or closes the segment: then another one
// can take over. Within it one goroutine at a time may put; the race detector notices when that is
// broken. With [Many] the goroutines of all processes may put; they take turns.
//
// T must be of fixed size, as for [shm.Value]. See [BroadcastBytes] and [BroadcastObjects] for
// others. A reader that only wants the latest value, as on a blackboard, uses [Broadcast.Latest].
//
// A Broadcast is made by [NewBroadcast] or [OpenBroadcast], or by UnmarshalBinary of what another
// process's MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// A Put synchronizes before the return of each Get or Latest that sees its message, in any process.
type Broadcast[T any] struct {
	broadcaster
	old     *seqlock.Ring // immutable once bound; nil: the broadcast waits
	oldSeen *seqlock.Ring // for looks; old, unless the process only reads
}

// NewBroadcast finds the Broadcast of that name in the segment, or makes it, empty. Its capacity,
// in messages, is rounded up to a power of two from 2 to 2³⁰.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to one of another
// type or capacity, or with other options; a [*shm.UnsupportedTypeError]; a [*shm.NoSpaceError];
// [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt], [shm.ErrClosed];
// [io/fs.ErrInvalid] for a bad name, capacity or option.
func NewBroadcast[T any](seg *shm.Segment, name string, capacity int, o Options) (*Broadcast[T], error) {
	if err := o.check(name, segment.KindWaitingBroadcast); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	if capacity == 1 {
		capacity = 2 // the latest message is there while the next one is written
	}
	if o.WhenFull == DropOldest {
		return newOverwriting[T](seg, name, capacity, t, o)
	}
	n, err := ring.SlotsFor(name, capacity, cast.Layout(t.Size, 1).Stride)
	if err != nil {
		return nil, err
	}
	if err := o.checkKeep(name, n); err != nil {
		return nil, err
	}
	b := newBroadcastHandle[T](o)
	return findBroadcast(b, &b.broadcaster, seg, segment.Spec{Name: name, Kind: segment.KindWaitingBroadcast, Type: t.Format},
		t.Size, capacity, n, o)
}

func newBroadcastHandle[T any](o Options) *Broadcast[T] {
	b := new(Broadcast[T])
	b.policy, b.endDead = wait.Policy(o.Wait), o.EndWithWriter
	return b
}

func newOverwriting[T any](seg *shm.Segment, name string, capacity int, t *elem.Type, o Options) (*Broadcast[T], error) {
	layout := seqlock.Layout(t.Size)
	n, err := ring.SlotsFor(name, capacity, layout.Stride)
	if err != nil {
		return nil, err
	}
	b, err := find(newBroadcastHandle[T](o), seg, segment.Spec{
		Name: name, Kind: segment.KindBroadcast, Type: t.Format, Size: layout.Size(n, 0),
		Init: func(mem []byte) { seqlock.Init(mem, t.Size, n, o.start) },
	})
	return b, withCapacity(err, capacity, n, layout)
}

// OpenBroadcast finds the Broadcast of that name, which must exist, whatever its capacity is, and
// the options that belong to it.
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrInvalid], [shm.ErrMismatch], a
// [*shm.UnsupportedTypeError], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenBroadcast[T any](seg *shm.Segment, name string, o Options) (*Broadcast[T], error) {
	if err := o.check(name, segment.KindWaitingBroadcast); err != nil {
		return nil, err
	}
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	spec := segment.Spec{Name: name, Kind: segment.KindWaitingBroadcast, Type: t.Format}
	b, err := open(newBroadcastHandle[T](o), seg, spec)
	if errors.Is(err, shm.ErrMismatch) {
		spec.Kind = segment.KindBroadcast
		if old, e := open(newBroadcastHandle[T](o), seg, spec); !errors.Is(e, shm.ErrMismatch) {
			return old, e
		}
	}
	return b, err
}

// UnmarshalBinary makes b a handle of the Broadcast that another process's MarshalBinary
// wrote down. It must not have been used before.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (b *Broadcast[T]) UnmarshalBinary(data []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	err = unmarshal(b, data, segment.KindWaitingBroadcast, t.Format)
	if errors.Is(err, shm.ErrMismatch) {
		if e := unmarshal(b, data, segment.KindBroadcast, t.Format); !errors.Is(e, shm.ErrMismatch) {
			return e
		}
	}
	return err
}

func (b *Broadcast[T]) bind(o *segment.Object) error {
	t, err := elem.Of[T]()
	if err != nil {
		return err
	}
	if o.Kind == segment.KindBroadcast {
		b.old, b.oldSeen, err = viewsOf(o, func(o *segment.Object) (*seqlock.Ring, error) { return seqlock.View(o, t.Size) }, (*seqlock.Ring).Busy)
		b.o = o
	} else {
		err = b.view(o, t.Size)
	}
	b.bools = t.Bools
	return err
}

// Put sends a message to all readers. It waits for room until ctx ends, unless [Options.WhenFull]
// says otherwise. Where there is room at once, the message is put even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: a process has closed the Broadcast.
//   - [ErrRoleTaken]: another process is the writer.
//   - [ErrReserved]: a place is reserved.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// No reader sees the message then, and none ever will.
func (b *Broadcast[T]) Put(ctx context.Context, v T) error {
	r := b.r
	if r == nil {
		return b.putOverwriting(&v)
	}
	if !r.HasRoom() {
		if err := b.claim(ctx, false); err != nil {
			return ring.UnlessDropped(err)
		}
	}
	return b.send(&v)
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull], also while another process has the turn to write; otherwise those of
// [Broadcast.Put].
func (b *Broadcast[T]) TryPut(v T) error {
	r := b.r
	if r == nil {
		return b.putOverwriting(&v)
	}
	if !r.HasRoom() {
		if err := b.claim(noWait, true); err != nil {
			return err
		}
	}
	return b.send(&v)
}

// noWait is the context of calls that do not wait.
var noWait = context.Background()

// claim makes this process the one that writes, and finds room for a message.
func (b *Broadcast[T]) claim(ctx context.Context, try bool) error {
	c := cast.Claim{Policy: b.policy, Try: try}
	if _, err := b.r.Claim(ctx, &c, 1); err != nil {
		return b.lateForReaders(ctx, err, &c)
	}
	return nil
}

// send writes a message for which there is room.
func (b *Broadcast[T]) send(v *T) error {
	r := b.r
	at := r.Next()
	if !r.Begin(at + 1) {
		return r.Refuse()
	}
	*cast.Value[T](r, at) = *v
	if at%cast.FetchEvery == 0 && r.Lags() {
		r.Fetch(at+cast.FetchEvery, cast.FetchEvery)
	}
	r.Publish(at + 1)
	runtime.KeepAlive(b)
	return nil
}

// PutBatch sends all messages of vs, in this order, and returns how many it has sent. It waits for
// room until ctx ends. Readers see them in groups, each as large as there is room for at once. With
// [Many] there may be messages of others between the groups. With [DropNewest], those for which
// there is no room are dropped, and n is less than len(vs) without an error.
//
// Errors: those of [Broadcast.Put]; n messages were sent then.
func (b *Broadcast[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	r := b.r
	if r == nil {
		return b.putBatchOverwriting(vs)
	}
	for n < len(vs) {
		if !r.HasRoom() {
			if err := b.claim(ctx, false); err == ring.ErrDropped {
				r.Shared.Counters.Dropped.Add(uint64(len(vs) - n - 1)) // one is counted
				return n, nil
			} else if err != nil {
				return n, err
			}
		}
		at := r.Next()
		end := at + r.Batch(len(vs)-n)
		if !r.Begin(end) {
			return n, r.Refuse()
		}
		for at != end {
			copied := copy(cast.Run[T](r, at, end-at), vs[n:])
			at += uint64(copied)
			n += copied
		}
		r.Publish(end)
	}
	runtime.KeepAlive(b)
	return n, nil
}

// Reserve gives the place of the next message, to write it there; see [Reservation]. It waits for
// room until ctx ends. Until the reservation is over nothing else can be put; with [Many] the other
// writers wait. With [DropOldest] the oldest message is lost, also when the reservation is aborted.
//
// Errors: [ErrFull], with [DropNewest], and a message is counted as dropped; otherwise those of
// [Broadcast.Put]. Nothing is reserved then.
func (b *Broadcast[T]) Reserve(ctx context.Context) (Reservation[T], error) {
	r := b.r
	if r == nil {
		return b.reserveOverwriting()
	}
	if !r.HasRoom() {
		if err := b.claim(ctx, false); err != nil {
			return Reservation[T]{}, ring.FullIfDropped(err)
		}
	}
	at := r.Next()
	if !r.Begin(at + 1) {
		return Reservation[T]{}, r.Refuse()
	}
	r.Reserve(at + 1)
	v := cast.Value[T](r, at)
	elem.MendAt(b.bools, v)
	return Reservation[T]{Value: v, position: at, ring: r, queue: &b.object}, nil
}

// Latest returns the newest message, whichever readers have read it. It does not wait.
//
// Errors: [ErrEmpty] when nothing was ever put, [shm.ErrClosed], [shm.ErrCorrupt].
func (b *Broadcast[T]) Latest() (v T, err error) {
	if b.r == nil {
		err = b.latestOverwritten(&v)
	} else {
		err = cast.Latest(b.seen, &v)
	}
	if b.o.Vanished() {
		err = b.gone()
	}
	runtime.KeepAlive(b)
	if err != nil {
		return *new(T), err
	}
	if b.bools != nil {
		v = elem.Mended(b.bools, v)
	}
	return v, nil
}

// AwaitReaders waits until n readers of living processes are subscribed, or until ctx ends: a
// writer that begins after that has none of them miss its first message.
//
// Errors: [io/fs.ErrInvalid] when it cannot have so many, or has [DropOldest]; the context's error,
// [shm.ErrClosed].
func (b *Broadcast[T]) AwaitReaders(ctx context.Context, n int) error {
	if b.r == nil {
		return segment.Invalid("queue: %v: it has DropOldest: it does not know its readers", &b.object)
	}
	return b.awaitReaders(ctx, n)
}

// Readers yields the readers of living processes, how far each has come, and which were expelled.
// It yields none with [DropOldest].
func (b *Broadcast[T]) Readers() iter.Seq[ReaderInfo] {
	if b.r == nil {
		return func(func(ReaderInfo) bool) {}
	}
	return b.infos()
}

// Close says that nothing will be put any more, until [Broadcast.Reopen]. Readers get what is
// there, and then [ErrClosed]. Any process may close it, and again. A Put that waits for room ends
// with ErrClosed. One that is under way at the same time may or may not be seen.
//
// Errors: [shm.ErrClosed].
func (b *Broadcast[T]) Close() error {
	if b.r != nil {
		return b.close()
	}
	err := b.old.Close()
	runtime.KeepAlive(b)
	return err
}

// Reopen opens a Broadcast that was closed, for all processes. Readers go on where they are. It
// does nothing when the Broadcast is open.
//
// Errors: [shm.ErrClosed].
func (b *Broadcast[T]) Reopen() error {
	if b.r != nil {
		return b.reopen()
	}
	err := b.old.Queue.Reopen(0)
	runtime.KeepAlive(b)
	return err
}

// Closed reports whether a process has closed it. There may still be messages to read.
func (b *Broadcast[T]) Closed() bool {
	if b.r != nil {
		return b.closed()
	}
	closed := b.oldSeen.Closed() && !b.o.Vanished()
	runtime.KeepAlive(b)
	return closed
}

// Cap is how many messages there is room for: the capacity that was asked for, rounded up to a
// power of two.
func (b *Broadcast[T]) Cap() int {
	if b.r != nil {
		return int(b.r.Capacity())
	}
	return int(b.old.Capacity())
}

// Stats returns the counts. Got and the high-water mark are 0: no reader takes a message from the
// others. With [DropOldest] what a reader has lost only its own [LappedError] says.
func (b *Broadcast[T]) Stats() (s Stats) {
	if b.r != nil {
		s = b.stats()
	} else {
		s = b.statsOverwriting()
	}
	s.Bytes = s.Put * uint64(reflect.TypeFor[T]().Size())
	runtime.KeepAlive(b)
	return s
}

// Detach ends the use of the object by this handle, as that of a [shm.Value] does, and closes the
// readers that it has subscribed.
//
// Errors: a [*shm.HeldError] when this process is at work in it: it goes on holding the object.
func (b *Broadcast[T]) Detach() error { return b.broadcaster.Detach() }
