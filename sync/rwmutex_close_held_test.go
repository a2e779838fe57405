//go:build linux

package shmsync_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// What a process holds at Close is reported, and counts as a dead process's.
func TestRWMutexCloseWithHeldLock(t *testing.T) {
	seg := newSegment(t)
	other := startRWAgent(t, seg)
	for _, held := range []string{"read", "write", ""} {
		mine := openAgain(t, seg)
		m := newRWMutexIn(t, mine, shmsync.RWMutexOptions{})
		var kept *shm.HeldError
		switch held {
		case "read":
			wantErr(t, "RLock", m.RLock(background), nil)
		case "write":
			wantErr(t, "Lock", m.Lock(background), nil)
		}
		waiter := startRWAgent(t, seg)
		if waiter.Send("lock"); held != "" {
			asleepOn(t, seg, "a", 1)
		}
		if held == "" {
			waiter.Expect("ok")
			told(t, waiter, "unlock", "ok")
			wantErr(t, "close", mine.Close(), nil)
		} else if err := mine.Close(); !errors.As(err, &kept) || !slices.Equal(kept.Objects, []string{"a"}) {
			t.Errorf("close while it holds the %s lock: %v", held, err)
		}
		for way, lock := range rwWays {
			wantErr(t, way+" afterwards", lock(m), shmsync.ErrClosed)
		}
		m.Unlock()
		m.RUnlock()
		m.RUnlock()
		switch held {
		case "read":
			waiter.Expect("ok")
			told(t, waiter, "unlock", "ok")
		case "write":
			waiter.Expect("owner died")
			told(t, waiter, "repair", "ok")
			told(t, waiter, "unlock", "ok")
		}
		told(t, other, "try", "ok")
		told(t, other, "unlock", "ok")
		waiter.Kill()
	}
	other.Kill()
}

// Close ends waits, of the one that leads and of those behind it, for reading and for writing.
func TestRWMutexCloseEndsWaits(t *testing.T) {
	for _, hold := range []string{"lock", "rlock"} {
		seg := newSegment(t)
		holder := rwAgentThat(t, seg, hold, "ok")
		mine := openAgain(t, seg)
		m := newRWMutexIn(t, mine, shmsync.RWMutexOptions{})
		got := make(chan error)
		waiters := 20
		go func() { got <- m.Lock(background) }()
		asleepOn(t, seg, "a", 1)
		for range waiters - 1 {
			go func() { got <- m.RLock(background) }()
		}
		asleepOn(t, seg, "a", 2)
		wantErr(t, "close", mine.Close(), nil)
		for range waiters {
			wantErr(t, "a waiter", <-got, shmsync.ErrClosed)
		}
		told(t, holder, map[string]string{"lock": "unlock", "rlock": "runlock"}[hold], "ok")
		told(t, holder, "try", "ok")
		holder.Kill()
	}
}
