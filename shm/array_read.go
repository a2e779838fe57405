package shm

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/elem"
)

// Readers of an Array take no lock. While the sequence is odd, the undo area and the elements
// outside of the range that is being changed stand still; while it is even, all elements do. So a
// reader copies the elements, and over them what of the range has copies in the undo area, and
// looks whether the sequence is the same. It finds what was there before a change that goes on, or
// that a death has ended in the middle.

// At returns the i-th element, from 0. It takes no lock, and never waits for a writer that was
// stopped or killed: while an element is being changed it returns the one before. Beside writers
// that are faster than it can look, it tries until ctx ends.
//
// Errors: an [fs.ErrInvalid] when there is no such element, [ErrClosed], [ErrCorrupt], the
// context's error. Where the process only reads also [ErrRemoved], and an error when writers outrun
// it for long.
func (a *Array[T]) At(ctx context.Context, i int) (t T, err error) {
	if uint(i) < uint(len(a.elements)) {
		s := a.head.sequence.Load() // SYNC: array: see arm
		t = a.elements[i]
		cpu.LoadFence() // the element was read before the sequence is read again
		if s&1 == 0 && a.head.sequence.Load() == s && a.bools == nil && !a.o.Closed() {
			a.order.Acquire()
			runtime.KeepAlive(a)
			return t, nil
		}
	}
	return a.atSlow(ctx, i)
}

// atSlow is At of an element that was not read at the first look.
func (a *Array[T]) atSlow(ctx context.Context, i int) (t T, err error) {
	if err := a.has(i); err != nil {
		return t, err
	}
	one := make([]T, 1)
	if err := a.snapshot(ctx, one, i); err != nil {
		return t, err
	}
	return one[0], nil
}

// Copy copies the elements from low on to dst, as many as both have, as they were at one instant,
// and returns how many. It takes no lock, as At, and allocates nothing. Beside writers that never
// pause it tries until ctx ends.
//
// Errors: an [fs.ErrInvalid] when low is not from 0 to [Array.Len]; those of At. What is in dst has
// no meaning then.
func (a *Array[T]) Copy(ctx context.Context, dst []T, low int) (n int, err error) {
	if low != len(a.elements) {
		if err := a.has(low); err != nil {
			return 0, err
		}
	}
	dst = dst[:min(len(dst), len(a.elements)-low)]
	if err := a.snapshot(ctx, dst, low); err != nil {
		return 0, err
	}
	return len(dst), nil
}

// readCopy is Read of a copy.
func (a *Array[T]) readCopy(ctx context.Context, f func([]T) error) error {
	copied := make([]T, len(a.elements))
	if err := a.snapshot(ctx, copied, 0); err != nil {
		return err
	}
	return f(copied)
}

// snapshot fills dst with the elements from low on, of one instant.
func (a *Array[T]) snapshot(ctx context.Context, dst []T, low int) error {
	for round := 0; ; round++ {
		ok := false
		for n := 0; n < patience && !ok; n++ {
			ok = a.copyOnce(dst, low)
		}
		var err error
		if !ok {
			ok, err = a.copyAlone(ctx, dst, low, round)
		}
		if err != nil {
			return err
		}
		if ok {
			err := a.closed()
			a.order.Acquire()
			elem.MendAll(a.bools, dst)
			runtime.KeepAlive(a)
			return err
		}
	}
}

// copyAlone ends a round of tries of a reader that writers outrun. It keeps them out for once, if
// it may and gets the lock soon; when it does not, one of them holds the lock and does nothing, so
// that the next look succeeds. It reports whether it has copied the elements.
func (a *Array[T]) copyAlone(ctx context.Context, dst []T, low, round int) (ok bool, err error) {
	if a.o.ReadOnly() {
		if err := a.o.AwaitTurn(ctx, round); err != nil {
			return false, a.failed(err)
		}
		return false, nil
	}
	short, cancel := context.WithTimeout(ctx, loadLimit<<min(round, loadRounds))
	defer cancel()
	switch err := a.lock(short); {
	case err == nil:
		ok := a.copyOnce(dst, low)
		a.unlock(a.m, &err)
		if !ok && err == nil {
			err = a.failed(errUnstable)
		}
		return ok, err
	case ctx.Err() != nil || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrClosed):
		return false, err
	case round >= loadRounds:
		return false, a.failed(errUnstable)
	}
	return false, nil
}

// copyOnce is one try of snapshot.
func (a *Array[T]) copyOnce(dst []T, low int) bool {
	s := a.head.sequence.Load() // SYNC: array: see arm
	high := low + len(dst)
	copy(dst, a.elements[low:high])
	if s&1 != 0 {
		from, to := a.head.low.Load(), a.head.high.Load()
		from, to = max(from, uint64(low)), min(to, uint64(high))
		if from < to {
			copy(dst[from-uint64(low):], a.undo[from:to])
		}
	}
	cpu.LoadFence() // the elements were read before the sequence is read again
	return a.head.sequence.Load() == s
}
