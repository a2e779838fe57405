package list

import (
	"context"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/owned"
)

// Append appends whole elements, and returns the number of the first of them. All appear at once.
// It waits for other writers until ctx ends; after an error none is there.
//
// Errors: a [*mapping.NoSpaceError], [segment.ErrCorrupt], [lock.ErrClosed], the context's error.
func (l *List) Append(ctx context.Context, elements []byte) (first uint64, err error) {
	if !l.m.LockFast() { // as in lock, which is not inlined
		if err := l.lock(ctx); err != nil {
			return 0, err
		}
	}
	if first = l.head.length.Load(); !l.appendOne(first, elements) {
		err = l.append(ctx, first, elements)
	}
	l.unlock(&err)
	return first, err
}

// appendOne is append of one element where this process has appended before, and reports whether
// that is so. It is small enough to be inlined.
func (l *List) appendOne(i uint64, element []byte) bool {
	at := i - l.tailFirst
	if at >= l.tailLen || uint64(len(element)) != l.size {
		return false
	}
	copy(l.tail[at*l.size:], element)
	crashpoint.Here("list.written")
	storeRelease(&l.head.length, i+1) // SYNC: length: as in append; with this it is there
	crashpoint.Here("list.appended")
	return true
}

// append is Append under the lock.
//
// What a death leaves behind: elements behind the end; a chunk that is not used yet.
func (l *List) append(ctx context.Context, i uint64, elements []byte) error {
	for len(elements) > 0 {
		k, at := l.chunkOf(i)
		if k >= maxChunks {
			return owned.Corrupt(l.o)
		}
		if l.head.chunks[k].Load() == 0 {
			if err := l.addChunk(ctx, k); err != nil {
				return err
			}
		}
		c := l.chunk(k)
		if c == nil {
			return owned.Corrupt(l.o)
		}
		// a chunk never moves
		l.tail, l.tailFirst, l.tailLen = c, i-at, l.chunkLen(k)
		n := copy(c[at*l.size:], elements)
		crashpoint.Here("list.written")
		elements = elements[n:]
		i += uint64(n) / l.size
	}
	// SYNC: length: the elements are complete before they count.
	storeRelease(&l.head.length, i) // with this they are there
	crashpoint.Here("list.appended")
	return nil
}

// addChunk makes chunk k.
func (l *List) addChunk(ctx context.Context, k uint) error {
	h := l.holder()
	off, err := h.Add(ctx, int(l.chunkLen(k)*l.size))
	if err != nil {
		return err
	}
	storeRelease(&l.head.chunks[k], off) // with this the chunk is linked
	crashpoint.Here("list.linked")
	h.Added()
	return nil
}

// Set makes the bytes those of element i, and reports whether there is one.
//
// Errors: as those of Append.
func (l *List) Set(ctx context.Context, i uint64, element []byte) (ok bool, err error) {
	if err := l.lock(ctx); err != nil {
		return false, err
	}
	ok, err = l.Replace(i, element)
	l.unlock(&err)
	return ok, err
}

// Replace is Set under the lock.
//
// What a death leaves behind: before the sequence is odd, the old element; while it is, a copy of
// it, which mend puts back; after that, the new one.
func (l *List) Replace(i uint64, element []byte) (ok bool, err error) {
	if i >= l.head.length.Load() {
		return false, nil
	}
	e := l.element(i)
	if e == nil {
		return false, owned.Corrupt(l.o)
	}
	s := l.head.sequence.Load() &^ 1
	copy(l.undo, e)
	l.head.undo = i
	crashpoint.Here("list.aside")
	// SYNC: sequence: the copy is complete before it counts, and it counts before the element
	// changes.
	storeRelease(&l.head.sequence, s|1)
	cpu.StoreFence()
	crashpoint.Here("list.armed")
	copy(e, element)
	crashpoint.Here("list.changed")
	storeRelease(&l.head.sequence, s+2) // with this the element is the new one
	cpu.StoreFence()
	crashpoint.Here("list.replaced")
	return true, nil
}

// Load is At under the lock.
//
// Errors: [segment.ErrCorrupt].
func (l *List) Load(i uint64, dst []byte) (ok bool, err error) {
	if i >= l.head.length.Load() {
		return false, nil
	}
	e := l.element(i)
	if e == nil {
		return false, owned.Corrupt(l.o)
	}
	copy(dst, e)
	return true, nil
}

// Cut takes away all elements from the n-th on, under the lock.
//
// What a death leaves behind: a sequence that is behind, which mend moves on before the places are
// used again.
func (l *List) Cut(n uint64) {
	if n >= l.head.length.Load() {
		return
	}
	storeRelease(&l.head.length, n) // with this they are gone
	crashpoint.Here("list.cut")
	// SYNC: sequence: it moves before their places are used again, so that a reader looks again.
	storeRelease(&l.head.sequence, l.head.sequence.Load()+2)
	cpu.StoreFence()
	crashpoint.Here("list.sequence")
}

// Truncate takes away all elements from the n-th on.
//
// Errors: as those of Append.
func (l *List) Truncate(ctx context.Context, n uint64) (err error) {
	if err := l.lock(ctx); err != nil {
		return err
	}
	l.Cut(n)
	l.unlock(&err)
	return err
}

// Chunk returns the memory of those of the first n elements that lie in chunk k; nil when there are
// none.
func (l *List) Chunk(k uint, n uint64) []byte {
	low := uint64(0)
	if k > 0 {
		low = 1 << (l.firstLog + k - 1)
	}
	if low >= n || k >= maxChunks {
		return nil
	}
	c := l.chunk(k)
	if c == nil {
		return nil
	}
	size := min(n-low, l.chunkLen(k)) * l.size
	return c[:size:size]
}
