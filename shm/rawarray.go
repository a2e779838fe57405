package shm

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/segment"
)

// A RawArray is n elements of T in shared memory, without a lock: its user
// sees to it that no process reads what another one is writing. T is restricted as for [Value].
// A RawArray must not be copied. After Close its methods still work, but for this process alone.
type RawArray[T any] struct {
	object
	elements []T            // in the segment
	bools    *elem.Bools    // of T
	watched  *segment.Watch // nil: this process may write
	special  bool           // bools or watched is not nil
}

// NewRawArray finds the RawArray of that name with n elements, or makes it, all zero.
//
// Errors: those of [NewArray].
func NewRawArray[T any](seg *Segment, name string, n int) (*RawArray[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	if _, err := arrayBytes(name, n, t.Size); err != nil {
		return nil, err
	}
	a := new(RawArray[T])
	err = find(a, seg, segment.Spec{Name: name, Kind: segment.KindRawArray, Type: t.Format, Size: int64(n) * int64(t.Size)})
	return checked(a, exactly(n, seg, name, err, a, OpenRawArray[T]))
}

// OpenRawArray finds the RawArray of that name, which must exist, whatever its length is.
//
// Errors: those of [OpenValue].
func OpenRawArray[T any](seg *Segment, name string) (*RawArray[T], error) {
	t, err := elementOf[T]()
	if err != nil {
		return nil, err
	}
	a := new(RawArray[T])
	return checked(a, open(a, seg, segment.Spec{Name: name, Kind: segment.KindRawArray, Type: t.Format, Size: segment.AnySize}))
}

// UnmarshalBinary makes a a handle of the RawArray that another process's MarshalBinary wrote down.
//
// Errors: [ErrFormat], [ErrRemoved], those of [OpenRawArray] and [Open].
func (a *RawArray[T]) UnmarshalBinary(b []byte) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	return unmarshal(a, b, segment.KindRawArray, t.Format)
}

func (a *RawArray[T]) bind(o *segment.Object) error {
	t, err := elementOf[T]()
	if err != nil {
		return err
	}
	if len(o.Payload)%t.Size != 0 {
		return damaged(o)
	}
	a.o, a.bools, a.watched = o, t.Bools, o.Watched()
	a.special = a.bools != nil || a.watched != nil
	a.elements = sliceAt[T](o.Payload, len(o.Payload)/t.Size)
	return nil
}

// Len is the number of elements.
func (a *RawArray[T]) Len() int { return len(a.elements) }

// At reads the i-th element, from 0. It panics when there is none, as a slice does.
func (a *RawArray[T]) At(i int) T {
	t := a.elements[i]
	if a.special {
		t = lookedAt(t, a.bools, a.watched)
	}
	runtime.KeepAlive(a)
	return t
}

// Set writes the i-th element, from 0. It panics when there is none, as a slice does.
func (a *RawArray[T]) Set(i int, value T) {
	if a.watched != nil {
		panic(a.watched)
	}
	a.elements[i] = value
	runtime.KeepAlive(a)
}

// Slice is the elements as they are in shared memory. It is valid as long as a is reachable; what
// is written there after the segment is closed is not seen by others. Where the process only reads
// a write ends the program with SIGSEGV, unless T has a bool: then it is a copy.
func (a *RawArray[T]) Slice() []T {
	if a.watched != nil && a.bools != nil {
		return mendedCopy(a.bools, a.elements)
	}
	elem.MendAll(a.bools, a.elements)
	return a.elements
}

// All iterates over the elements.
func (a *RawArray[T]) All() iter.Seq2[int, T] { return allOf(a, a.elements, a.bools, a.watched) }

// lookedAt is what was read of a raw object: zero when the process only reads and the object was
// removed.
func lookedAt[T any](t T, bools *elem.Bools, watched *segment.Watch) T {
	if watched != nil && watched.Vanished() {
		t = *new(T)
	}
	if bools != nil {
		t = elem.Mended(bools, t)
	}
	return t
}

// mendedCopy is a copy of elements that have bools.
func mendedCopy[T any](bools *elem.Bools, elements []T) []T {
	copied := slices.Clone(elements)
	elem.MendAll(bools, copied)
	return copied
}

// exactly turns the result of finding or making an array into an error that counts in elements,
// unless the array has n of them. Its size alone does not tell: it is rounded up.
func exactly[A interface{ Len() int }](n int, seg *Segment, name string, err error, a A, open func(*Segment, string) (A, error)) error {
	var m *MismatchError
	if errors.As(err, &m) && m.SizeDiffers {
		there, errOpen := open(seg, name)
		if errOpen != nil {
			return err
		}
		a, err = there, nil
	}
	if err == nil && a.Len() != n {
		return fmt.Errorf("shm: %w", &MismatchError{
			Segment: seg.Path(), Name: name, SizeDiffers: true,
			Difference: fmt.Sprintf("it has %d elements, not %d", a.Len(), n),
		})
	}
	return err
}
