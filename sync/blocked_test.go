//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestBlockedChain(t *testing.T) {
	seg := newSegment(t)
	if r := report(t, seg); len(r.Waits) != 0 || r.String() != "nobody waits\n" {
		t.Errorf("at first: %v", r)
	}
	c := blockedAgents(t, seg, 3)
	told(t, c[0], "lock a", "ok")
	told(t, c[1], "lock b", "ok")
	c[1].Send("lock a")
	reportOf(t, seg, 1)
	c[2].Send("lock b")
	r := reportOf(t, seg, 2)
	wantWait(t, r, c[1], "a", c[0])
	wantWait(t, r, c[2], "b", c[1])
	if r.Waits[0].Process.PID != c[1].PID() || len(r.Cycles) != 0 || r.Unlisted != 0 {
		t.Errorf("the longest wait does not come first, or there are cycles:\n%v", r)
	}
	for _, part := range []string{fmt.Sprintf(`(pid %d) waits `, c[1].PID()), fmt.Sprintf(` for Mutex "a" (lock) of %v`, r.Waits[0].Holders[0])} {
		if !strings.Contains(r.String(), part) {
			t.Errorf("%q does not say %q", r, part)
		}
	}
	told(t, c[0], "unlock a", "ok")
	c[1].Expect("ok")
	told(t, c[1], "unlock b", "ok")
	c[2].Expect("ok")
	reportOf(t, seg, 0)
	exit(c...)
}

// A process that takes the slot of one that was killed while it waited starts without its waits.
func TestBlockedSlotIsReused(t *testing.T) {
	seg, err := shm.Create(filepath.Join(proctest.Dir(t), "segment"), shm.Options{Processes: 2})
	must(err)
	defer seg.Close()
	m := newMutex(t, seg, "a")
	must(m.Lock(background))
	for range 3 {
		c := blockedAgents(t, seg, 1)[0]
		c.Send("lock a")
		if w := reportOf(t, seg, 1).Waits[0]; w.Process.PID != c.PID() {
			t.Errorf("%+v: want the wait of %d", w, c.PID())
		}
		c.Kill()
		reportOf(t, seg, 0)
	}
	c := blockedAgents(t, seg, 1)[0]
	if r := report(t, seg); len(r.Waits)+r.Unlisted != 0 {
		t.Errorf("a new process waits:\n%v", r)
	}
	m.Unlock()
	told(t, c, "lock a", "ok")
	exit(c)
}

// A process with more waits than the board has records for it counts the rest.
func TestBlockedUnlisted(t *testing.T) {
	seg := newSegment(t)
	for round := range 2 {
		each("40", func(i string) { must(newMutex(t, seg, i).Lock(background)) })
		c := blockedAgents(t, seg, 1)[0]
		c.Send("crowd 40")
		proctest.Eventually(t, hangs, func() bool {
			r := report(t, seg)
			return len(r.Waits) == 31 && r.Unlisted == 9
		}, "31 of 40 waits should be listed")
		if r := report(t, seg); !strings.Contains(r.String(), "\n9 further waits\n") {
			t.Errorf("%v", r)
		}
		each("40", func(i string) { newMutex(t, seg, i).Unlock() })
		c.Expect("ok")
		if r := reportOf(t, seg, 0); r.Unlisted != 0 {
			t.Errorf("unlisted in the end: %d", r.Unlisted)
		}
		if round == 0 {
			told(t, c, "leave 40", "ok")
			exit(c)
		} else {
			c.Kill()
		}
	}
}

func TestBlockedClosed(t *testing.T) {
	seg := newSegment(t)
	m, other := newMutex(t, seg, "a"), newMutex(t, seg, "a")
	must(m.Lock(background))
	done := make(chan error)
	go func() { done <- other.Lock(background) }()
	reportOf(t, seg, 1)
	again, err := shm.Open(seg.Path())
	must(err)
	defer again.Close()
	reportOf(t, again, 1)
	var held *shm.HeldError
	if err := seg.Close(); !errors.As(err, &held) {
		t.Errorf("close: %v", err)
	}
	runtime.KeepAlive(m)
	if r := report(t, again); len(r.Waits) != 0 {
		t.Errorf("who has closed the segment waits:\n%v", r)
	}
	wantErr(t, "the waiter", <-done, shmsync.ErrClosed)
	_, err = shmsync.Blocked(seg)
	wantErr(t, "the report", err, shmsync.ErrClosed)
	if !strings.Contains(err.Error(), seg.Path()) {
		t.Errorf("%q does not say which segment", err)
	}
}

// A wait that ends, in whatever way, is withdrawn.
func TestBlockedWaitEnds(t *testing.T) {
	for _, policy := range []shmsync.WaitPolicy{shmsync.Adaptive, shmsync.Park, shmsync.Spin} {
		seg := newSegment(t)
		c := blockedAgents(t, seg, 1)[0]
		told(t, c, "lock a", "ok")
		m, err := shmsync.NewMutex(seg, "a", shmsync.MutexOptions{Wait: policy})
		must(err)
		ctx, cancel := context.WithCancel(background)
		done := make(chan error)
		go func() { done <- m.Lock(ctx) }()
		reportOf(t, seg, 1)
		cancel()
		wantErr(t, "cancelled", <-done, context.Canceled)
		if r := report(t, seg); len(r.Waits) != 0 {
			t.Errorf("%v: after the wait:\n%v", policy, r)
		}
		exit(c)
	}
}
