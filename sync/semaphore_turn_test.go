//go:build linux

package shmsync_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A process that is stopped while it has the turn does not hold up others for long, and gets its
// units when it goes on.
func TestSemaphoreStoppedWithTurn(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "s", 2, shmsync.SemaphoreOptions{Undo: undo})
		stopped, other := startSemaphoreAgent(t, seg, "s"), startSemaphoreAgent(t, seg, "s")
		wantErr(t, "acquire", s.Acquire(background, 2), nil)
		stopped.Send("acquire 2")
		asleepOn(t, seg, "s", 1)
		// that it has the turn by now shows nowhere; if it has not, the others are not kept out
		time.Sleep(20 * time.Millisecond)
		stopped.Signal(syscall.SIGSTOP)
		stopped.WaitStopped()
		other.Send("timed 1")
		asleepOn(t, seg, "s", 2)
		wantErr(t, "release", s.Release(2), nil)
		other.Expect("ok")
		for range 100 {
			told(t, other, "release 1", "ok")
			told(t, other, "timed 1", "ok")
		}
		told(t, other, "release 1", "ok")
		stopped.Signal(syscall.SIGCONT)
		stopped.Expect("ok")
		wantErr(t, "it has them", s.TryAcquire(1), shmsync.ErrLocked)
		stopped.Kill()
		other.Kill()
	})
}

// A process that gives up while it has the turn lets in the waiters behind it.
func TestSemaphoreGiveUpTurn(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "s", 3, shmsync.SemaphoreOptions{Undo: undo})
		wantErr(t, "acquire", s.Acquire(background, 2), nil)
		other := startSemaphoreAgent(t, seg, "s")
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		got := make(chan error)
		go func() { got <- s.Acquire(ctx, 3) }()
		asleepOn(t, seg, "s", 1)
		// that it has the turn by now shows nowhere; if it has not, the others are not kept out
		proctest.Stagger(20 * time.Millisecond)
		other.Send("timed 1")
		cancel()
		wantErr(t, "the one that has the turn", <-got, context.Canceled)
		other.Expect("ok")
		other.Kill()
		wantErr(t, "release", s.Release(2), nil)
	})
}
