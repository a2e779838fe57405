//go:build linux

package shmsync_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// With undo exactly the units of a holder that dies come back, to waiters and to later callers.
// Without it they are lost.
func TestSemaphoreHolderDies(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		for _, way := range []string{"acquire", "try", "available"} {
			seg := newSegment(t)
			s := newSemaphore(t, seg, "s", 10, shmsync.SemaphoreOptions{Undo: undo})
			dying, living := startSemaphoreAgent(t, seg, "s"), startSemaphoreAgent(t, seg, "s")
			told(t, living, "acquire 2", "ok")
			told(t, dying, "acquire 3", "ok")
			told(t, dying, "acquire 2", "ok")
			told(t, dying, "release 1", "ok")
			wantErr(t, "acquire", s.Acquire(background, 3), nil)
			wantAvailable(t, s, 1)
			dying.Kill()
			if !undo {
				wantAvailable(t, s, 1)
				wantErr(t, "more than there are", s.TryAcquire(2), shmsync.ErrLocked)
				living.Kill()
				wantAvailable(t, s, 1)
				continue
			}
			switch way {
			case "acquire":
				wantErr(t, "acquire all that came back", acquireWithin(s, 5, soon), nil)
			case "try":
				wantErr(t, "try all that came back", s.TryAcquire(5), nil)
			case "available":
				wantAvailable(t, s, 5)
				wantErr(t, "acquire", s.TryAcquire(5), nil)
			}
			wantErr(t, "one more", s.TryAcquire(1), shmsync.ErrLocked)
			told(t, living, "release 2", "ok")
			wantErr(t, "release", s.Release(8), nil)
			wantAvailable(t, s, 10)
			living.Kill()
		}
	})
}

// The death of a holder wakes the sleepers, in this and in other processes.
func TestSemaphoreDeathWakesSleepers(t *testing.T) {
	seg := newSegment(t)
	s := newSemaphore(t, seg, "s", 8, shmsync.SemaphoreOptions{Undo: true})
	for range 10 {
		dying := startSemaphoreAgent(t, seg, "s")
		told(t, dying, "acquire 8", "ok")
		others := []*proctest.Child{startSemaphoreAgent(t, seg, "s"), startSemaphoreAgent(t, seg, "s")}
		for _, c := range others {
			c.Send("timed 2")
		}
		got := make(chan error, 4)
		for range 4 {
			go func() { got <- s.Acquire(background, 1) }()
		}
		asleepOn(t, seg, "s", 3)
		dying.Kill()
		for range 4 {
			wantErr(t, "a waiter in this process", <-got, nil)
		}
		for _, c := range others {
			c.Expect("ok")
		}
		for _, c := range others {
			c.Kill()
		}
		wantErr(t, "release", s.Release(4), nil)
		wantAvailable(t, s, 8)
	}
}

// More holders than a sleeper can watch: the death of any of them is noticed.
func TestSemaphoreManyHolders(t *testing.T) {
	seg := newSegment(t)
	s := newSemaphore(t, seg, "s", 6, shmsync.SemaphoreOptions{Undo: true})
	var holders []*proctest.Child
	for range 6 {
		c := startSemaphoreAgent(t, seg, "s")
		told(t, c, "acquire 1", "ok")
		holders = append(holders, c)
	}
	for i := range holders {
		got := make(chan error)
		go func() { got <- acquireWithin(s, 1, soon) }()
		asleepOn(t, seg, "s", 1)
		holders[len(holders)-1-i].Kill()
		wantErr(t, "after a death", <-got, nil)
	}
	wantErr(t, "release", s.Release(6), nil)
}

// The death of a waiter changes nothing for the others, neither when it sleeps, nor when it has the
// turn and wants more units than there are.
func TestSemaphoreWaiterDies(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "s", 4, shmsync.SemaphoreOptions{Undo: undo})
		wantErr(t, "acquire", s.Acquire(background, 3), nil)
		for _, order := range []string{"acquire 2", "acquire 4"} {
			waiter, other := startSemaphoreAgent(t, seg, "s"), startSemaphoreAgent(t, seg, "s")
			waiter.Send(order)
			// it has the turn: what is free is not to be had
			proctest.Eventually(t, hangs, func() bool {
				err := s.TryAcquire(1)
				if err == nil {
					must(s.Release(1))
				}
				return errors.Is(err, shmsync.ErrLocked)
			}, "the waiter does not come to have the turn")
			other.Send("timed 1")
			asleepOn(t, seg, "s", 2)
			waiter.Kill()
			other.Expect("ok")
			told(t, other, "release 1", "ok")
			wantErr(t, "after its death", s.TryAcquire(1), nil)
			wantErr(t, "give it back", s.Release(1), nil)
			other.Kill()
		}
		wantErr(t, "release", s.Release(3), nil)
		wantAvailable(t, s, 4)
	})
}

// A sleeper that was woken for a unit and dies before it takes the unit does not keep it from the
// others: of three sleepers two are killed at the moment of a release, again and again.
func TestSemaphoreWokenDies(t *testing.T) {
	t.Parallel()
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "s", 1, shmsync.SemaphoreOptions{Undo: undo})
		rounds := times(5)
		for round := range rounds {
			wantErr(t, "acquire", acquireWithin(s, 1, soon), nil)
			var all []*proctest.Child
			for range 3 {
				c := startSemaphoreAgent(t, seg, "s")
				c.Send("timed 1")
				all = append(all, c)
			}
			asleepOn(t, seg, "s", 3)
			for _, c := range all[:2] {
				c.Signal(syscall.SIGSTOP) // so that they are woken, and do nothing
				c.WaitStopped()
			}
			wantErr(t, "release", s.Release(1), nil)
			for _, c := range all[:2] {
				c.Kill()
			}
			all[2].Expect("ok")
			told(t, all[2], "release 1", "ok")
			all[2].Kill()
			if round == rounds-1 {
				wantAvailable(t, s, 1)
			}
		}
	})
}
