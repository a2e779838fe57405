//go:build linux

package shmsync_test

import (
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Two parties that each hold one lock for writing and want the other's: the second to ask is
// refused, and the first gets its lock when the second unlocks. Without the option no attempt looks
// for a cycle.
func TestRWMutexDetectsDeadlock(t *testing.T) {
	seg := newSegment(t)
	again := openAgain(t, seg)
	lockOf := func(name string, there bool) *shmsync.RWMutex {
		s := seg
		if there {
			s = again
		}
		m, err := shmsync.NewRWMutex(s, name, shmsync.RWMutexOptions{DetectDeadlock: true})
		must(err)
		return m
	}
	a, b := lockOf("a", false), lockOf("b", false)
	thereA, thereB := lockOf("a", true), lockOf("b", true)
	wantErr(t, "Lock a here", a.Lock(background), nil)
	wantErr(t, "Lock b there", thereB.Lock(background), nil)
	got := make(chan error)
	go func() { got <- b.Lock(background) }()
	asleepOn(t, seg, "b", 1)
	err := rwWithin(soon, thereA.Lock)
	wantErr(t, "Lock a there", err, shmsync.ErrDeadlock)
	var cycle *shmsync.DeadlockError
	if !errors.As(err, &cycle) || len(cycle.Cycle) != 2 {
		t.Errorf("the error is %v", err)
	}
	thereB.Unlock()
	wantErr(t, "Lock b here", <-got, nil)
	b.Unlock()
	a.Unlock()
	proctest.Eventually(t, hangs, func() bool { return thereA.TryLock() == nil }, "the lock stays held")
	thereA.Unlock()
}
