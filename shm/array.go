package shm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
)

// An Array is a lock and n elements of T in shared memory. Every change under the lock happens as a
// whole or not at all: the elements are copied aside before they are changed, and put back by the
// next process that locks, when the process that was changing them is killed. An Array therefore
// takes twice the memory of its elements; a [RawArray] does not.
//
// T is restricted as for [Value]. Goroutines and processes may use an Array at once.
// It must not be copied. A change synchronizes before each access that sees it, in any process.
type Array[T any] struct {
	object
	m        *lock.Mutex
	calling  *atomic.Bool // see guarded
	order    *race.Shadow // of what readers see without the lock
	head     *arrayHead
	elements []T            // in the segment
	undo     []T            // in the segment
	bools    *elem.Bools    // of T
	watched  *segment.Watch // nil: this process may write
}

// NewArray finds the Array of that name with n elements, or makes it, all zero.
//
// Errors: those of [NewValue]; n is negative or far too large, an [fs.ErrInvalid].
func NewArray[T any](seg *Segment, name string, n int) (*Array[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	bytes, err := arrayBytes(name, n, t.Size)
	if err != nil {
		return nil, err
	}
	a := new(Array[T])
	err = find(a, seg, segment.Spec{
		Name: name, Kind: segment.KindArray, Type: t.Format, Size: arrayHeadBytes + 2*bytes,
		Init: func(mem []byte) { at[arrayHead](mem).count = uint64(n) },
	})
	var full *NoSpaceError
	if errors.As(err, &full) && full.Segment {
		err = fmt.Errorf("%w; an Array takes twice the memory of its elements, a RawArray does not", err)
	}
	return checked(a, exactly(n, seg, name, err, a, OpenArray[T]))
}

// OpenArray finds the Array of that name, which must exist, whatever its length is.
//
// Errors: those of [OpenValue].
func OpenArray[T any](seg *Segment, name string) (*Array[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	a := new(Array[T])
	return checked(a, open(a, seg, segment.Spec{Name: name, Kind: segment.KindArray, Type: t.Format, Size: segment.AnySize}))
}

// UnmarshalBinary makes a a handle of the Array that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenArray] and [Open].
func (a *Array[T]) UnmarshalBinary(b []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(a, b, segment.KindArray, t.Format)
}

func (a *Array[T]) bind(o *segment.Object) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	if len(o.Payload) < arrayHeadBytes {
		return damaged(o)
	}
	head := at[arrayHead](o.Payload)
	n, area := head.count, uint64(len(o.Payload)-arrayHeadBytes)/2
	if n > area/uint64(t.Size) || roundToLine(n*uint64(t.Size)) != area {
		return damaged(o)
	}
	g := guardOf(o)
	a.o, a.m, a.calling, a.order, a.head, a.bools = o, g.m, &g.calling, &g.order, head, t.Bools
	a.watched = o.Watched()
	a.elements = sliceAt[T](o.Payload[arrayHeadBytes:], int(n))
	a.undo = sliceAt[T](o.Payload[arrayHeadBytes+int(area):], int(n))
	return nil
}

func roundToLine(n uint64) uint64 { return (n + 63) &^ 63 }

// maxArrayBytes keeps sums and products of sizes far from overflow.
const maxArrayBytes = 1 << 46

// arrayBytes is the room for n elements, or says why there cannot be so many.
func arrayBytes(name string, n, size int) (int64, error) {
	if n < 0 {
		return 0, segment.Invalid("shm: array %q: length %d: must not be negative", name, n)
	}
	if int64(n) > maxArrayBytes/int64(size) {
		return 0, segment.Invalid("shm: array %q: length %d: %d elements of %d bytes are more than any segment holds", name, n, n, size)
	}
	return int64(roundToLine(uint64(n) * uint64(size))), nil
}

// Len is the number of elements.
func (a *Array[T]) Len() int { return len(a.elements) }

// Set changes the i-th element, from 0. It waits for the lock until ctx ends.
//
// Errors: an [fs.ErrInvalid] when there is no such element, [ErrClosed], [ErrCorrupt], the
// context's error; the element is as it was then.
func (a *Array[T]) Set(ctx context.Context, i int, value T) error {
	if err := a.has(i); err != nil {
		return err
	}
	return a.UpdateRange(ctx, i, i+1, func(e []T) error {
		e[0] = value
		return nil
	})
}

// Update lets f change the elements under the lock. The slice is valid until f returns. When f
// returns an error, panics, or is killed with its process, nothing changes. It costs a copy of all
// elements: use [Array.UpdateRange] for few of many. F must not use this Array's locking methods.
//
// Errors: that of f, [ErrClosed], [ErrCorrupt], the context's error; the elements are as they were
// then.
func (a *Array[T]) Update(ctx context.Context, f func([]T) error) error {
	return a.UpdateRange(ctx, 0, len(a.elements), f)
}

// UpdateRange is [Array.Update] for the elements [low, high).
//
// Errors: an [fs.ErrInvalid] when the range is not in the array, and those of Update.
func (a *Array[T]) UpdateRange(ctx context.Context, low, high int, f func([]T) error) (err error) {
	if low < 0 || low > high || high > len(a.elements) {
		return segment.Invalid("shm: array %q: elements [%d, %d): it has [0, %d)", a.o.Name, low, high, len(a.elements))
	}
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock(a.m, &err)
	a.arm(low, high)
	done := false
	defer func() {
		if !done { // an error, a panic, or Goexit
			a.restore(low, high)
		}
	}()
	elem.MendAll(a.bools, a.elements[low:high])
	a.calling.Store(true)
	err = f(a.elements[low:high:high])
	a.calling.Store(false)
	if err != nil {
		return err
	}
	done = true
	a.disarm()
	runtime.KeepAlive(a)
	return nil
}

// Read lets f read the elements while no process changes them under the lock. The slice is valid
// until f returns, and must not be written. Where the process only reads, it is a copy.
//
// Errors: that of f, [ErrClosed], [ErrCorrupt], the context's error.
func (a *Array[T]) Read(ctx context.Context, f func([]T) error) (err error) {
	if a.o.ReadOnly() {
		return a.readCopy(ctx, f)
	}
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock(a.m, &err)
	elem.MendAll(a.bools, a.elements)
	a.calling.Store(true)
	err = f(a.elements)
	a.calling.Store(false)
	runtime.KeepAlive(a)
	return err
}

// Slice is the elements as they are in shared memory, past the lock: others may be changing them,
// and a change that is taken back is visible for a while. It is valid as long as a is reachable;
// what is written there after the segment is closed is not seen by others. Where the process only
// reads a write ends the program with SIGSEGV, unless T has a bool: then it is a copy.
func (a *Array[T]) Slice() []T {
	if a.bools != nil && a.o.ReadOnly() {
		return mendedCopy(a.bools, a.elements)
	}
	elem.MendAll(a.bools, a.elements)
	return a.elements
}

// All iterates over the elements past the lock, as a loop over [Array.Slice] does.
// Where the process only reads it ends when the Array is removed.
func (a *Array[T]) All() iter.Seq2[int, T] { return allOf(a, a.elements, a.bools, a.watched) }

// allOf iterates over elements while it keeps their handle reachable, and as long as what watched
// tells of, if that is not nil, is there.
func allOf[T any](handle any, elements []T, bools *elem.Bools, watched *segment.Watch) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		special := bools != nil || watched != nil
		for i, e := range elements {
			if special {
				if e = lookedAt(e, bools, watched); watched != nil && watched.Vanished() {
					break
				}
			}
			if !yield(i, e) {
				break
			}
		}
		runtime.KeepAlive(handle)
	}
}

func (a *Array[T]) has(i int) error {
	if i < 0 || i >= len(a.elements) {
		return segment.Invalid("shm: array %q: element %d: it has %d", a.o.Name, i, len(a.elements))
	}
	return nil
}

// lock locks the elements, after undoing what a dead process had begun.
func (a *Array[T]) lock(ctx context.Context) error {
	if a.m.LockFast() {
		return nil
	}
	repair := lock.LockOptions{Repair: func(*lock.OwnerDiedError) error { return a.rollBack() }}
	if err := a.m.LockWith(ctx, &repair); err != nil {
		return a.notLocked(ctx, a.m, err)
	}
	return nil
}

// arm copies aside what is about to change.
//
// What a death leaves behind: before the sequence is odd, untouched elements; after it, a copy for
// rollBack, and for those that read.
func (a *Array[T]) arm(low, high int) {
	// SYNC: array: the sequence of the change before is even before its copies are overwritten.
	cpu.StoreFence()
	copy(a.undo[low:high], a.elements[low:high])
	crashpoint.Here("array.aside")
	storeRelease(&a.head.low, uint64(low))
	storeRelease(&a.head.high, uint64(high))
	crashpoint.Here("array.copied")
	// SYNC: array: the copies are written before the sequence is odd, and then f changes the
	// elements. A process that reads a change sees an odd sequence, or one that has moved.
	storeRelease(&a.head.sequence, a.head.sequence.Load()|1)
	cpu.StoreFence()
	crashpoint.Here("array.armed")
}

// disarm makes the change final.
func (a *Array[T]) disarm() {
	crashpoint.Here("array.changed")
	a.order.ReleaseMerge()
	// SYNC: array: the new elements are written before the copies stop to count.
	storeRelease(&a.head.sequence, (a.head.sequence.Load()|1)+1) // the commit
	crashpoint.Here("array.disarmed")
}

// rollBack puts back what an unfinished change had copied aside, under the lock. It may be killed
// and run again.
func (a *Array[T]) rollBack() error {
	if a.head.sequence.Load()&1 == 0 {
		return nil
	}
	low, high := a.head.low.Load(), a.head.high.Load()
	if low > high || high > uint64(len(a.elements)) {
		return fmt.Errorf("%w: what should be undone is not in it: remove it and make it anew", ErrCorrupt)
	}
	a.restore(int(low), int(high))
	return nil
}

func (a *Array[T]) restore(low, high int) {
	copy(a.elements[low:high], a.undo[low:high])
	crashpoint.Here("array.rolledback")
	// SYNC: array: the old elements are back before the copies stop to count.
	storeRelease(&a.head.sequence, (a.head.sequence.Load()|1)+1)
	crashpoint.Here("array.restored")
}
