//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

var policies = map[string]shmsync.WaitPolicy{"Adaptive": shmsync.Adaptive, "Park": shmsync.Park, "Spin": shmsync.Spin}

func newMutexThatWaits(t *testing.T, seg *shm.Segment, policy shmsync.WaitPolicy) *shmsync.Mutex {
	t.Helper()
	m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{Wait: policy})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A lock with a time-out on a living holder fails after that time, no earlier.
func TestDeadline(t *testing.T) {
	seg := newSegment(t)
	holder := startAgent(t, seg)
	told(t, holder, "lock a", "ok")
	m := newMutex(t, seg, "a")
	timeouts := []time.Duration{time.Microsecond, time.Millisecond, 20 * time.Millisecond}
	for _, timeout := range timeouts {
		ctx, cancel := context.WithTimeout(background, timeout) //clock: the time-out is the subject
		deadline, _ := ctx.Deadline()
		err := m.Lock(ctx)
		late := time.Since(deadline)
		cancel()
		wantErr(t, "a lock of a living holder", err, context.DeadlineExceeded)
		if late < 0 {
			t.Errorf("time-out %v: %v after the deadline", timeout, late)
		}
		t.Logf("time-out %v: %v after the deadline", timeout, late)
	}
	told(t, holder, "unlock a", "ok")
	wantErr(t, "a free lock", m.TryLock(), nil)
	m.Unlock()
	holder.Kill()
}

// However it waits, a Lock ends with its context, and says why that ended. The lock is not held
// then.
func TestContextCause(t *testing.T) {
	cause := errors.New("not needed any more")
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			holder := startAgent(t, seg)
			told(t, holder, "lock a", "ok")
			m := newMutexThatWaits(t, seg, policy)
			ctx, cancel := context.WithCancelCause(background)
			var first, behind error
			one := proctest.MustBlock(t, func() { first = m.Lock(ctx) })
			// it waits for the first, not in the kernel
			two := proctest.MustBlock(t, func() { behind = m.Lock(ctx) })
			cancel(cause)
			<-one
			<-two
			wantErr(t, "the first", first, cause)
			wantErr(t, "the one behind it", behind, cause)
			wantErr(t, "a context that ended before", m.Lock(ctx), cause)
			told(t, holder, "unlock a", "ok")
			told(t, holder, "try a", "ok")
			told(t, holder, "unlock a", "ok")
			wantErr(t, "a free lock, with an ended context", m.Lock(ctx), nil)
			m.Unlock()
			holder.Kill()
		})
	}
}

// However it waits, a Lock sees that the lock is free, and that the holder died.
func TestPolicies(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			m := newMutexThatWaits(t, seg, policy)
			holder := startAgent(t, seg)
			told(t, holder, "lock a", "ok")
			for _, end := range []string{"unlock", "death"} {
				var err error
				waiter := proctest.MustBlock(t, func() { err = m.Lock(background) })
				if end == "unlock" {
					holder.Send("unlock a")
					holder.Expect("ok")
					<-waiter
					wantErr(t, "after the unlock", err, nil)
					holder.Send("lock a") // the other waits, too
					asleepOn(t, seg, "a", 1)
					m.Unlock()
					holder.Expect("ok")
					continue
				}
				holder.Kill()
				<-waiter
				wantErr(t, "after the death", err, shmsync.ErrOwnerDied)
				repair(t, m)
			}
		})
	}
}
