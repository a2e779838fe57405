//go:build linux

package shmsync_test

import (
	"os"
	"testing"
	"time"

	shmsync "github.com/shmkit/shmkit/sync"
)

// Waiters get ErrClosed when their process closes the segment. A waiter with a lock in another
// segment holds it, so that the deferred Unlock is right in any case. Grants of these waiters go to
// others.
func TestCondClose(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	elsewhere := newMutex(t, newSegment(t), "elsewhere")
	mine := openAgain(t, seg)
	closed, locks := newCond(t, mine, "c"), newMutex(t, mine, "m")
	got := make(chan error)
	for i := range 10 {
		l := []*shmsync.Mutex{locks, elsewhere}[i%2]
		go func() { got <- condWait(background, closed, l) }()
	}
	waiting(t, c, 10)
	wantErr(t, "close", mine.Close(), nil)
	for range 10 {
		err := <-got
		wantErr(t, "a waiter", err, shmsync.ErrClosed)
		wantErr(t, "a waiter", err, os.ErrClosed)
	}
	wantErr(t, "the lock elsewhere", elsewhere.TryLock(), nil)
	waiting(t, c, 0)
	wantErr(t, "wait afterwards", closed.Wait(background, elsewhere), shmsync.ErrClosed)
	elsewhere.Unlock()
	wantErr(t, "the lock elsewhere", elsewhere.TryLock(), nil)
	elsewhere.Unlock()
	go func() { got <- condWait(background, c, m) }()
	waiting(t, c, 1)
	closed.Signal()
	closed.Notify(3)
	closed.Broadcast()
	closed.Waiting()
	waiting(t, c, 1)
	c.Signal()
	wantErr(t, "signalled", <-got, nil)
	_, err := closed.MarshalBinary()
	wantErr(t, "marshal afterwards", err, shmsync.ErrClosed)
}

// A process is signalled and closes the segment before its waiter has the lock: another one gets
// the signal.
func TestCondCloseAfterSignal(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	mine := openAgain(t, seg)
	closed, locks := newCond(t, mine, "c"), newMutex(t, mine, "m")
	got, other := make(chan error), make(chan error)
	go func() { got <- condWait(background, closed, locks) }()
	waiting(t, c, 1)
	go func() { other <- condWait(background, c, m) }()
	waiting(t, c, 2)
	wantErr(t, "lock", m.Lock(background), nil)
	c.Signal()
	time.Sleep(5 * time.Millisecond) // the waiter in the first seat waits for the lock
	wantErr(t, "close", mine.Close(), nil)
	wantErr(t, "the waiter", <-got, shmsync.ErrClosed)
	m.Unlock()
	wantErr(t, "the other", <-other, nil)
}
