package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/record"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A Bytes passes messages of any length between goroutines of all processes: any number of them may
// put and get at once. Messages come out in the order in which they were put in. The queue is
// bounded.
//
// A Bytes is made by [NewBytes] or [OpenBytes], or by UnmarshalBinary of what another process's
// MarshalBinary wrote; the zero value is only for that. It must not be copied.
//
// A Put synchronizes before the return of the Get that takes its message, in any process.
type Bytes struct {
	object
	r      *record.Ring // immutable once bound
	seen   *record.Ring // for looks; r, unless the process only reads
	policy wait.Policy
	full   ring.WhenFull

	refused atomic.Uint64 // bytes of the message for which TryPut has last found no room
}

// NewBytes finds the Bytes of that name in the segment, or makes it, empty. The capacity is the
// length of the longest message, at most 2³⁰ bytes; messages of so many bytes in sum, and 16 to 24
// more for each, fit at once. The memory for it is the next power of two.
//
// Errors: [shm.ErrMismatch] when the name belongs to another kind of object, or to one of another
// capacity; a [*shm.NoSpaceError]; [shm.ErrTooManyObjects], [shm.ErrRemoved], [shm.ErrCorrupt],
// [shm.ErrClosed]; [io/fs.ErrInvalid] for a bad name or capacity.
func NewBytes(seg *shm.Segment, name string, capacity int, o Options) (*Bytes, error) {
	return newBytesOf(segment.KindBytes, seg, name, capacity, o)
}

func newBytesOf(kind segment.Kind, seg *shm.Segment, name string, capacity int, o Options) (*Bytes, error) {
	if capacity < 1 || capacity > record.MaxLongest {
		return nil, segment.Invalid("queue: %q: capacity %d: must be from 1 to %d bytes", name, capacity, record.MaxLongest)
	}
	if err := o.check(name, kind); err != nil {
		return nil, err
	}
	longest := uint64(capacity)
	b, err := find(&Bytes{policy: wait.Policy(o.Wait), full: o.whenFull()}, seg, segment.Spec{
		Name: name, Kind: kind, Size: record.Size(longest, o.processes(seg)),
		Init: func(mem []byte) { record.Init(mem, longest, o.Joinable, o.start&^7) },
	})
	if m := new(shm.MismatchError); errors.As(err, &m) && m.SizeDiffers {
		if found, e := openBytesOf(kind, seg, name, o); e == nil {
			b, err = found, nil // to say in what it differs
		}
	}
	if err != nil {
		return nil, err
	}
	if have := b.r.Longest(); have != capacity {
		difference := fmt.Sprintf("its capacity is %d bytes, not %d", have, capacity)
		return nil, &shm.MismatchError{Segment: b.o.Seg.Path(), Name: name, Difference: difference}
	}
	if (b.r.Tasks != nil) != o.Joinable {
		return nil, joinableDiffers(seg, name, !o.Joinable)
	}
	return b, nil
}

// OpenBytes finds the Bytes of that name, which must exist, whatever its capacity is.
//
// Errors: [io/fs.ErrNotExist], [shm.ErrMismatch], [shm.ErrCorrupt], [shm.ErrClosed].
func OpenBytes(seg *shm.Segment, name string, o Options) (*Bytes, error) {
	return openBytesOf(segment.KindBytes, seg, name, o)
}

func openBytesOf(kind segment.Kind, seg *shm.Segment, name string, o Options) (*Bytes, error) {
	if err := o.check(name, kind); err != nil {
		return nil, err
	}
	return open(&Bytes{policy: wait.Policy(o.Wait), full: o.whenFull()}, seg, segment.Spec{Name: name, Kind: kind})
}

// UnmarshalBinary makes b a handle of the Bytes that another process's MarshalBinary
// wrote down. It must not have been used before.
//
// Errors: [shm.ErrFormat], [shm.ErrRemoved], [shm.ErrMismatch], those of [shm.Open].
func (b *Bytes) UnmarshalBinary(data []byte) error {
	return unmarshal(b, data, segment.KindBytes, "")
}

func (b *Bytes) bind(o *segment.Object) error {
	r, seen, err := viewsOf(o, record.View, (*record.Ring).Busy)
	if err != nil {
		return err
	}
	b.o, b.r, b.seen = o, r, seen
	return nil
}

// Put appends a message, which is copied. It waits for room until ctx ends. Where there is room at
// once, the message is put even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: a process has closed the queue.
//   - [io/fs.ErrInvalid]: it is longer than the capacity.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// The message is not in the queue then, and never will be.
func (b *Bytes) Put(ctx context.Context, message []byte) error {
	return ring.UnlessDropped(b.put(ctx, message))
}

// put is Put that returns errDropped when the message was dropped.
func (b *Bytes) put(ctx context.Context, message []byte) error {
	c, err := b.claimRoom(ctx, len(message))
	if err != nil {
		return err
	}
	return b.fill(c, message)
}

// TryPut is Put without waiting.
//
// Errors: [ErrFull], also when a process is stopped while it claims a place; otherwise those of
// [Bytes.Put].
func (b *Bytes) TryPut(message []byte) error {
	if err := b.r.Fits(len(message)); err != nil {
		return err
	}
	c, err := b.r.Reserve(uint64(len(message)))
	if err == record.ErrBusy {
		err = ErrFull
	}
	if err == ErrFull {
		b.refused.Store(uint64(len(message)))
	}
	if err != nil {
		return err
	}
	return b.fill(c, message)
}

func (b *Bytes) fill(c record.Claim, message []byte) error {
	copy(b.r.Content(c), message)
	err := b.r.Publish(c)
	runtime.KeepAlive(b)
	return err
}

func (b *Bytes) claimRoom(ctx context.Context, n int) (record.Claim, error) {
	if err := b.r.Fits(n); err != nil {
		return record.Claim{}, err
	}
	c, err := b.r.MakeRoom(b.full, uint64(n))
	if err == ErrFull || err == record.ErrBusy {
		var holder proctab.Owner
		c, holder, err = b.r.AwaitRoom(ctx, b.policy, b.full, uint64(n))
		if err != nil && err != ring.ErrDropped {
			err = b.lateForRoom(ctx, err, b.Len(), holder, "has the oldest")
		}
	}
	return c, err
}

// Get takes the oldest message. It waits for one until ctx ends. A message that is
// there at once is taken even when ctx has ended.
//
// Errors:
//   - [ErrClosed]: a process has closed the queue, and all messages have been taken.
//   - the context's error, [shm.ErrClosed], [shm.ErrCorrupt].
//
// No message has been taken then. The exception is a Get of a process that closes the segment in
// the same instant: a message that it had claimed when the segment let go of it is lost, and counts
// as abandoned.
func (b *Bytes) Get(ctx context.Context) ([]byte, error) { return b.AppendGet(ctx, nil) }

// AppendGet is Get that appends the message to dst, as the built-in append does, and returns the
// extended slice. It allocates nothing when dst has room. On an error dst is as it was.
func (b *Bytes) AppendGet(ctx context.Context, dst []byte) ([]byte, error) {
	c, err := b.claimMessage(ctx)
	if err != nil {
		return dst, err
	}
	return b.drain(c, dst)
}

// TryGet is Get without waiting.
//
// Errors: [ErrEmpty], also when the oldest message is still being written, or a process is stopped
// while it claims one; otherwise those of [Bytes.Get].
func (b *Bytes) TryGet() ([]byte, error) {
	c, err := b.tryClaim()
	if err != nil {
		return nil, err
	}
	return b.drain(c, nil)
}

func (b *Bytes) tryClaim() (record.Claim, error) {
	c, _, err := b.r.ClaimNext()
	if err == ring.ErrHeld || err == record.ErrBusy {
		err = ErrEmpty
	}
	return c, err
}

func (b *Bytes) drain(c record.Claim, dst []byte) ([]byte, error) {
	all := append(dst, b.r.Content(c)...)
	err := b.r.Release(c)
	runtime.KeepAlive(b)
	if err != nil {
		return dst, err
	}
	return all, nil
}

func (b *Bytes) claimMessage(ctx context.Context) (record.Claim, error) {
	c, _, err := b.r.ClaimNext()
	if err == ErrEmpty || err == ring.ErrHeld || err == record.ErrBusy {
		var holder proctab.Owner
		if c, holder, err = b.r.AwaitMessage(ctx, b.policy); err != nil {
			err = b.lateForMessage(ctx, err, holder, "writes the oldest")
		}
	}
	return c, err
}

// All takes messages until the queue is closed and empty. It waits for them until ctx ends. Each is
// a new slice. An error of [Bytes.Get] other than [ErrClosed] is the last thing that it yields,
// with a nil slice.
func (b *Bytes) All(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			m, err := b.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(m, err) || err != nil {
				return
			}
		}
	}
}
