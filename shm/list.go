package shm

import (
	"context"
	"iter"
	"runtime"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/list"
	"github.com/shmkit/shmkit/internal/segment"
)

// A List is a sequence of elements of T in shared memory that grows at its end: results, log
// entries, whatever is mostly appended. An [Array] has a length that stays, and changes many
// elements as a whole; a queue hands each message to one process.
//
// T is restricted as for [Value]. The elements never move: [List.Chunks] views them where they lie.
// Memory that a List has taken stays its own until it is removed. Not offered are insertion and
// removal in the middle, which move all that follows.
//
// Goroutines and processes may use a List at once. It must not be copied. A process that is killed
// in a change leaves the List as it was before, or as it should be. A change synchronizes before
// each access that sees it, in any process.
type List[T any] struct {
	object
	l     *list.List
	bools *elem.Bools // of T
}

// NewList finds the List of that name, or makes it, empty.
//
// Errors: those of [NewValue].
func NewList[T any](seg *Segment, name string) (*List[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	l := new(List[T])
	return checked(l, find(l, seg, list.Spec(name, t.Format, t.Size)))
}

// OpenList finds the List of that name, which must exist.
//
// Errors: those of [OpenValue].
func OpenList[T any](seg *Segment, name string) (*List[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	l := new(List[T])
	return checked(l, open(l, seg, list.Spec(name, t.Format, t.Size)))
}

// UnmarshalBinary makes l a handle of the List that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenList] and [Open].
func (l *List[T]) UnmarshalBinary(b []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(l, b, segment.KindList, t.Format)
}

func (l *List[T]) bind(o *segment.Object) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	engine, err := list.Of(o, t.Size)
	if err != nil {
		return err
	}
	l.o, l.l, l.bools = o, engine, t.Bools
	return nil
}

// Len is the number of elements.
func (l *List[T]) Len() int { return int(l.l.Len()) }

// Append appends the values, and returns the index of the first of them, from 0. They appear at
// once. It waits for other writers until ctx ends; after an error none of them is there.
//
// Errors: a [*NoSpaceError], [ErrClosed], [ErrCorrupt], the context's error.
func (l *List[T]) Append(ctx context.Context, values ...T) (index int, err error) {
	i, err := l.l.Append(ctx, bytesOfSlice(values))
	if err != nil {
		return 0, l.failed(err)
	}
	return int(i), nil
}

// At returns element i, from 0. It takes no lock, and never waits for a writer that was stopped or
// killed.
//
// Errors: an [fs.ErrInvalid] when there is no such element, [ErrClosed], [ErrCorrupt].
func (l *List[T]) At(i int) (t T, err error) {
	ok, err := l.l.At(uint64(i), bytesAt(&t, formFixed))
	if err != nil || !ok {
		return *new(T), l.missing(i, err)
	}
	if l.bools != nil {
		t = elem.Mended(l.bools, t)
	}
	return t, nil
}

// missing is err, or the error for an index without an element.
func (l *List[T]) missing(i int, err error) error {
	if err == nil {
		err = segment.Invalid("element %d: it has %d", i, l.Len())
	}
	return l.failed(err)
}

// Set changes element i, from 0. It waits for other writers until ctx ends.
//
// Errors: an [fs.ErrInvalid] when there is no such element, [ErrClosed], [ErrCorrupt], the
// context's error; the element is as it was then.
func (l *List[T]) Set(ctx context.Context, i int, value T) error {
	ok, err := l.l.Set(ctx, uint64(i), bytesAt(&value, formFixed))
	if err != nil || !ok {
		return l.missing(i, err)
	}
	return nil
}

// Update lets f change element i under the lock, while readers see the old one. When f returns an
// error, panics, or is killed with its process, nothing changes. F must not change this List.
//
// Errors: that of f, those of Set; the element is as it was then.
func (l *List[T]) Update(ctx context.Context, i int, f func(*T) error) (err error) {
	if err := l.l.Lock(ctx); err != nil {
		return l.failed(err)
	}
	var own error
	ok := false
	defer func() {
		l.l.Unlock(&err)
		switch {
		case own != nil:
			err = own
		case err != nil || !ok:
			err = l.missing(i, err)
		}
	}()
	var t T
	if ok, err = l.l.Load(uint64(i), bytesAt(&t, formFixed)); err != nil || !ok {
		return err
	}
	if l.bools != nil {
		t = elem.Mended(l.bools, t)
	}
	l.l.Calling.Store(true)
	own = f(&t)
	l.l.Calling.Store(false)
	if own != nil {
		return own
	}
	ok, err = l.l.Replace(uint64(i), bytesAt(&t, formFixed))
	return err
}

// Pop takes the last element away, and reports whether there was one. It waits for other writers
// until ctx ends.
//
// Errors: [ErrClosed], [ErrCorrupt], the context's error.
func (l *List[T]) Pop(ctx context.Context) (t T, ok bool, err error) {
	if err := l.l.Lock(ctx); err != nil {
		return t, false, l.failed(err)
	}
	n := l.l.Len()
	if n > 0 {
		if ok, err = l.l.Load(n-1, bytesAt(&t, formFixed)); ok {
			l.l.Cut(n - 1)
		}
	}
	l.l.Unlock(&err)
	if err != nil {
		return *new(T), false, l.failed(err)
	}
	if l.bools != nil {
		t = elem.Mended(l.bools, t)
	}
	return t, ok, nil
}

// Truncate takes away all elements from index n on.
//
// Errors: [fs.ErrInvalid] when n is negative, [ErrClosed], [ErrCorrupt], the context's error.
func (l *List[T]) Truncate(ctx context.Context, n int) error {
	if n < 0 {
		return l.failed(segment.Invalid("truncate to %d elements: must not be negative", n))
	}
	if err := l.l.Truncate(ctx, uint64(n)); err != nil {
		return l.failed(err)
	}
	return nil
}

// All iterates over the elements, each as At returns it, up to the length at the beginning. It ends
// early where the List was cut meanwhile, closed, or damaged.
func (l *List[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := range l.Len() {
			t, err := l.At(i)
			if err != nil || !yield(i, t) {
				return
			}
		}
	}
}

// Chunks iterates over the elements where they lie in shared memory, in slices of up to a few
// thousand MiB that follow each other. What is appended later is not in them. They show changes of
// other processes, halves of them, too, and are meant for a List that is only appended to. A slice
// is valid as long as l is reachable and not detached, and must not be written. Where the process
// only reads and T has a bool, the slices are copies.
func (l *List[T]) Chunks() iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		n := l.l.Len()
		for k := uint(0); ; k++ {
			b := l.l.Chunk(k, n)
			if b == nil || l.l.Closed() {
				break
			}
			s := sliceOf[T](b)
			if l.bools != nil && l.o.ReadOnly() {
				s = mendedCopy(l.bools, s)
			}
			elem.MendAll(l.bools, s)
			if !yield(s) {
				break
			}
		}
		runtime.KeepAlive(l)
	}
}
