//go:build linux

package shmsync_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// What a process holds at Close is reported and comes back with undo; operations that come later
// fail.
func TestSemaphoreClose(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "s", 3, shmsync.SemaphoreOptions{Undo: undo})
		mine := openAgain(t, seg)
		m := newSemaphore(t, mine, "s", 3, shmsync.SemaphoreOptions{Undo: undo})
		wantErr(t, "acquire", m.Acquire(background, 2), nil)
		got := make(chan error)
		for range 10 {
			go func() { got <- m.Acquire(background, 3) }()
		}
		sleeper := make(chan error)
		if undo {
			go func() { sleeper <- acquireWithin(s, 3, soon) }()
		}
		if asleepOn(t, seg, "s", 1); undo {
			asleepOn(t, seg, "s", 2)
		}
		err := mine.Close()
		var held *shm.HeldError
		if undo != (errors.As(err, &held) && slices.Equal(held.Objects, []string{"s"})) {
			t.Errorf("close: %v", err)
		}
		for range 10 {
			wantErr(t, "a waiter", <-got, shmsync.ErrClosed)
		}
		wantErr(t, "acquire afterwards", m.Acquire(background, 1), shmsync.ErrClosed)
		wantErr(t, "try afterwards", m.TryAcquire(1), shmsync.ErrClosed)
		wantErr(t, "release afterwards", m.Release(1), shmsync.ErrClosed)
		m.Available()
		if _, err := m.MarshalBinary(); !errors.Is(err, shmsync.ErrClosed) {
			t.Errorf("marshal afterwards: %v", err)
		}
		if undo {
			wantErr(t, "who slept", <-sleeper, nil)
			wantErr(t, "release", s.Release(3), nil)
		} else {
			wantAvailable(t, s, 1)
		}
	})
}
