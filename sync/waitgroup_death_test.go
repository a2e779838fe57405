//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// With undo, exactly what a dead process had not done counts as done, and waiters are told at once.
// Without, it is never done.
func TestWaitGroupDeath(t *testing.T) {
	t.Parallel()
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		for range times(2) {
			seg := newSegment(t)
			g := newWaitGroup(t, seg, "g", undo)
			dying, waiter := startWaitGroupAgent(t, seg), startWaitGroupAgent(t, seg)
			told(t, dying, "add 3", "ok")
			told(t, dying, "done 0", "ok")
			wantErr(t, "add", g.Add(1), nil)
			waiter.Send("timed 0")
			got := make(chan error)
			//clock: that the wait goes on is the subject
			go func() { got <- waitWithin(g, 50*time.Millisecond) }()
			dying.Kill()
			if undo {
				wantErr(t, "what the living added is not done", <-got, context.DeadlineExceeded)
				wantCount(t, g, 1)
				wantErr(t, "done", g.Done(), nil)
				waiter.Expect("ok")
			} else {
				wantErr(t, "nobody does it", <-got, context.DeadlineExceeded)
				wantCount(t, g, 3)
				wantErr(t, "done by another", g.Add(-3), nil)
				waiter.Expect("ok")
			}
			last := startWaitGroupAgent(t, seg)
			told(t, last, "add 2", "ok")
			waiter.Send("timed 0")
			go func() { got <- waitWithin(g, soon) }()
			asleepOn(t, seg, "g", 2)
			last.Kill()
			if !undo {
				wantErr(t, "done by another", g.Add(-2), nil)
			}
			wantErr(t, "a waiter here", <-got, nil)
			waiter.Expect("ok")
			waiter.Kill()
		}
	})
}

// The death of a waiter changes nothing for the others, and neither does a waiter that looks only
// when the next round has begun.
func TestWaitGroupWaiterDies(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g := newWaitGroup(t, seg, "g", undo)
		wantErr(t, "add", g.Add(1), nil)
		a, b := startWaitGroupAgent(t, seg), startWaitGroupAgent(t, seg)
		a.Send("timed 0")
		b.Send("timed 0")
		asleepOn(t, seg, "g", 2)
		a.Kill()
		wantErr(t, "done", g.Done(), nil)
		b.Expect("ok")
		wantCount(t, g, 0)
		b.Kill()
	})
}

// What a process has not done at Close is reported and counts as done with undo; operations that
// come later fail.
func TestWaitGroupClose(t *testing.T) {
	t.Parallel()
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g := newWaitGroup(t, seg, "g", undo)
		mine := openAgain(t, seg)
		m := newWaitGroup(t, mine, "g", undo)
		wantErr(t, "add", m.Add(2), nil)
		got, here := make(chan error), make(chan error)
		for range 10 {
			go func() { got <- m.Wait(background) }()
		}
		//clock: that the wait goes on without undo is the subject
		go func() { here <- waitWithin(g, 500*time.Millisecond) }()
		asleepOn(t, seg, "g", 2)
		err := mine.Close()
		var held *shm.HeldError
		if undo != (errors.As(err, &held) && slices.Equal(held.Objects, []string{"g"})) {
			t.Errorf("close: %v", err)
		}
		for range 10 {
			wantErr(t, "a waiter", <-got, shmsync.ErrClosed)
		}
		wantErr(t, "wait afterwards", m.Wait(background), shmsync.ErrClosed)
		wantErr(t, "add afterwards", m.Add(1), shmsync.ErrClosed)
		wantErr(t, "done afterwards", m.Done(), shmsync.ErrClosed)
		m.Count()
		if undo {
			wantErr(t, "who waited elsewhere", <-here, nil)
			wantCount(t, g, 0)
		} else {
			wantErr(t, "who waited elsewhere", <-here, context.DeadlineExceeded)
			wantCount(t, g, 2)
		}
	})
}
